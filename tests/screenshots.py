"""`python -m tests.screenshots --output DIR`: twelve pictures of drawings, players and the explorer, to look at."""

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import autograd
from autograd import Value, draw, explore, label, play
from nn import MLP, Neuron
from tests.browser import chromium, opened

Act = Callable[[Any], object]


class Shot(NamedTuple):
    """A page to open, what to do there, and how it is looked at."""

    name: str
    document: Callable[[], str]
    act: Act = lambda page: None
    dark: bool = False
    width: int = 1000


# ---- graphs ------------------------------------------------------------------------------------------------------------


def small() -> Value:
    """y = tanh(a*b + c)."""
    a, b, c = Value(2.0), Value(-3.0), Value(6.5)
    d = a * b
    e = d + c
    y = e.tanh()
    label(locals())
    y.backward()
    return y


def rejoining() -> Value:
    """An x that reaches the result on three paths."""
    x, w = Value(0.5), Value(-1.5)
    u = x * w
    s = u.sigmoid()
    f = s * x + autograd.exp(u)
    label(locals())
    f.backward()
    return f


def neuron() -> Value:
    """One neuron, with its inputs."""
    random.seed(1337)
    x1, x2 = Value(1.0), Value(-2.0)
    y = Neuron(2, activation="tanh")([x1, x2])
    label(locals())
    y.backward()
    return y


def network() -> Value:
    """An MLP 2-16-16-1."""
    random.seed(1337)
    x1, x2 = Value(1.0), Value(-2.0)
    y = MLP(2, [16, 16, 1])([x1, x2])
    label(locals())
    y.backward()
    return y


def not_finite() -> Value:
    """A logarithm of 0, and what it does to the rest."""
    p, q = Value(0.0), Value(2.0)
    h = p * autograd.log(p)
    loss = h + q
    label(locals())
    loss.backward()
    return loss


def with_constants() -> Value:
    """(3*x - 1)**2 / 2."""
    x = Value(1.5)
    y = (3 * x - 1) ** 2 / 2
    label(locals())
    y.backward()
    return y


# ---- pages -------------------------------------------------------------------------------------------------------------


def drawn(root: Value, **options: Any) -> str:
    """A drawing as a notebook has it, alone on a page."""
    fragment = draw(root, **options)._repr_mimebundle_()["text/html"]
    return f"<style>:root {{ color-scheme: light dark }} body {{ margin: 16px }}</style>{fragment}"


def explored() -> str:
    """The explorer as it is first shown, with a model that only holds what Python sent."""
    explorer = explore(lambda a, b: (a * b).sin() + a, a=(-3, 3, 1.2), b=2.0)
    module, state = (json.dumps(data).replace("<", "\\u003c") for data in (explorer._esm, explorer.state))
    return f"""<style>:root {{ color-scheme: light dark }} {explorer._css}</style><div id="here"></div><script type="module">
      const traits = {{ state: {state}, asked: {{}} }};
      const model = {{ get: name => traits[name], set() {{}}, save_changes() {{}}, on() {{}}, off() {{}} }};
      const widget = await import("data:text/javascript;charset=utf-8," + encodeURIComponent({module}));
      widget.default.render({{ model, el: document.getElementById("here") }});
    </script>"""


def step(count: int) -> Act:
    """Take so many steps of the sweep."""
    return lambda page: [page.locator("[data-do=next]").click() for _ in range(count)]


def paths_from(name: str, steps: int) -> Act:
    """Take so many steps, then point at a leaf: its paths are shown."""

    def act(page: Any) -> None:
        step(steps)(page)
        page.locator("g.node.leaf").filter(has=page.get_by_text(name, exact=True)).hover()

    return act


def slide(**numbers: float) -> Act:
    """Give leaves other numbers, and play to the end."""

    def act(page: Any) -> None:
        for name, number in numbers.items():
            page.get_by_label(f"{name}, exactly").fill(str(number))
        page.locator("[data-do=end]").click()

    return act


SHOTS = (
    Shot("01-expression-light", lambda: drawn(small())),
    Shot("02-expression-dark", lambda: drawn(small()), dark=True),
    Shot("03-neuron", lambda: drawn(neuron())),
    Shot("04-network-2-16-16-1", lambda: drawn(network()), width=1400),
    Shot("05-network-by-neuron", lambda: drawn(network(), fold="neuron"), width=1400),
    Shot("06-first-infinity-marked", lambda: drawn(not_finite())),
    Shot("07-top-down-constants-folded", lambda: drawn(with_constants(), direction="TB", constants="fold"), width=600),
    Shot("08-player-in-the-middle", lambda: play(small()).html, step(3)),
    Shot("09-player-paths", lambda: play(rejoining()).html, paths_from("x", 4), width=1200),
    Shot("10-player-phone-dark", lambda: play(small()).html, step(4), dark=True, width=390),
    Shot("11-player-sliders-moved", lambda: play(small()).html, slide(a=0.5, c=1.25), dark=True),
    Shot("12-explorer", explored),
)


def take(browser: Any, shot: Shot, folder: Path) -> Path:
    """One picture of the whole page, twice as many pixels as it has."""
    scheme = "dark" if shot.dark else "light"
    with opened(browser, shot.document(), color_scheme=scheme, width=shot.width, height=100, scale=2) as page:
        page.wait_for_function("[...document.images].every(image => image.complete)")
        shot.act(page)
        page.wait_for_timeout(400)  # transitions end
        path = folder / f"{shot.name}.png"
        page.screenshot(path=path, full_page=True)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Twelve pictures to look at.")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the pictures go")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with chromium() as browser:
            for shot in SHOTS:
                print(take(browser, shot, folder))
    except LookupError as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
