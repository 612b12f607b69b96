"""Where drawings and players are shown: in pages and notebooks, trusted and not; and that nothing leaves them."""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import opened

from autograd import Value, draw, explore, play, snapshot
from autograd.drawing.embed import SMALLEST, STILL, embedded, framed, image
from autograd.drawing.figures import figure

ROOT = Path(__file__).parent.parent
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10"/></svg>'
PAGE = """<!doctype html><html><head><meta charset="utf-8"><style>
p { height: 321px; margin: 0 } body { margin: 0; background: rgb(255, 255, 255) }
@media (prefers-color-scheme: dark) { body { background: rgb(0, 0, 0) } }
</style></head><body><p>waiting</p><script>document.querySelector("p").textContent = "alive"</script></body></html>"""
HOSTILE = [
    "<script>alert(1)</script>",
    "\"' onload=alert(1) x='",
    "]]>&amp;</iframe>",
    "a\u202eb\n\u2028",
    "\ud800",
    "x" * 10_000,
]


def lecture() -> Value:
    """y = tanh(a*b + c), after its sweep."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    y = (a * b + c).tanh()
    y.label = "y"
    y.backward()
    return y


# ---- the fragments -----------------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements of a fragment, each with its attributes, and its text."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(fragment)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_words_stay_words(words):
    (_, _), (tag, attributes) = Elements(image(PICTURE, words)).found
    assert tag == "img" and attributes.keys() == {"src", "alt", "style"} and attributes["alt"] == words
    found = Elements(embedded(PAGE + words, PICTURE, 100, words)).found
    assert [tag for tag, _ in found] == ["div", "img", "p", "small"]
    assert found[1][1]["alt"] == found[1][1]["data-title"] == words and words in (found[1][1]["data-srcdoc"] or "")
    ((tag, attributes),) = Elements(framed(PAGE + words, 100, words)).found
    assert (
        tag == "iframe"
        and attributes.keys() == {"srcdoc", "title", "sandbox", "style"}
        and attributes["title"] == words
    )


def test_the_picture_is_the_picture():
    _, (_, attributes) = Elements(image(PICTURE + "<!-- − → -->", "a picture")).found
    kind, data = (attributes["src"] or "").split(",")
    assert kind == "data:image/svg+xml;base64" and base64.b64decode(data).decode() == PICTURE + "<!-- − → -->"
    assert image(PICTURE + "\ud800", "a lone surrogate has no bytes")


def test_a_frame_may_run_scripts_and_nothing_else():
    ((_, attributes),) = Elements(framed(PAGE, 100, "a page")).found
    assert attributes["sandbox"] == "allow-scripts" and "height:100px" in (attributes["style"] or "")


@pytest.mark.parametrize("show", [draw, play])
def test_what_a_notebook_is_given(show):
    shown = show(lecture())
    bundle = shown._repr_mimebundle_()
    found = Elements(bundle["text/html"]).found
    assert bundle.keys() == {"text/html", "text/plain"} and "svg" not in [tag for tag, _ in found]
    assert not any("id" in attributes for _, attributes in found)
    alt = next(attributes["alt"] for tag, attributes in found if tag == "img")
    assert alt and "y" in alt.split()


def test_what_marimo_is_given():
    kind, fragment = play(lecture())._mime_()
    assert kind == "text/html" and [tag for tag, _ in Elements(fragment).found] == ["iframe"]


# ---- in a browser ------------------------------------------------------------------------------------------------------

browsing = pytest.mark.browser


@browsing
@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("<img src='https://example.org/a.png'>", "example.org/a.png"),
        ("<img src='file:///etc/hostname'>", "file:///etc/hostname"),
        ("<script>console.error('said so')</script>", "said so"),
        ("<script>throw Error('thrown')</script>", "thrown"),
        ("<script>new WebSocket('ws://127.0.0.1:9/')</script>", "ws://127.0.0.1:9"),
    ],
)
def test_what_leaves_a_page_and_what_goes_wrong_is_told(browser, document, told):
    with pytest.raises(AssertionError, match=re.escape(told)), opened(browser, document):
        pass


@browsing
def test_scripts_bring_each_picture_to_life(browser):
    with opened(browser, embedded(PAGE, PICTURE, 50, "a page") * 3) as page:
        page.wait_for_function("document.querySelectorAll('iframe').length == 3")
        assert not page.locator("img").count() and STILL not in page.inner_text("body")
        for frame in page.frames[1:]:
            assert frame.locator("p").inner_text() == "alive"
            assert frame.frame_element().get_attribute("title") == "a page"
        page.wait_for_function("[...document.querySelectorAll('iframe')].every(frame => frame.offsetHeight == 321)")
        page.frames[1].evaluate("document.querySelector('p').style.height = '99999px'")
        page.wait_for_function("document.querySelector('iframe').offsetHeight == 4000")
        assert page.frames[2].frame_element().bounding_box()["height"] == 321, "each frame has its own height"


@browsing
@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("notebook", ["light", "dark", "normal"])
def test_a_page_is_as_dark_as_the_notebook_round_it(browser, system, notebook):
    around = f"<style>:root {{ color-scheme: {notebook} }}</style>"
    with opened(browser, around + embedded(PAGE, PICTURE, 50, "a page"), color_scheme=system) as page:
        page.wait_for_selector("iframe")
        ground = page.frames[1].evaluate("getComputedStyle(document.body).backgroundColor")
        dark = (system if notebook == "normal" else notebook) == "dark"
        assert ground == ("rgb(0, 0, 0)" if dark else "rgb(255, 255, 255)")


@browsing
def test_the_page_in_a_frame_reaches_nothing_outside_it(browser):
    tries = ["parent.document.title", "localStorage.length", "document.cookie"]
    with opened(browser, framed(PAGE, 50, "a page")) as page:
        for expression in tries:
            said = page.frames[1].evaluate(f"() => {{ try {{ return {expression} }} catch (e) {{ return e.name }} }}")
            assert said == "SecurityError", expression


@browsing
def test_where_no_script_runs_the_picture_stays(browser):
    y = lecture()
    with opened(browser, play(y)._repr_mimebundle_()["text/html"], java_script_enabled=False) as page:
        box = page.locator("img").bounding_box()
        assert box["width"] > 400 and box["height"] > 100 and not page.locator("iframe").count()
        assert "trust the notebook" in page.inner_text("body")


@browsing
def test_three_players_on_one_page(browser):
    y = lecture()
    with opened(browser, play(y)._repr_mimebundle_()["text/html"] * 3, height=2000) as page:
        page.wait_for_function("document.querySelectorAll('iframe').length == 3")
        for frame in page.frames[1:]:
            plays(frame, y)


@browsing
def test_a_picture_shrinks_while_it_can_be_read_and_then_scrolls_in_its_own_frame(browser):
    for width in (390, 800, 2000):
        with opened(browser, draw(lecture())._repr_mimebundle_()["text/html"], width=width) as page:
            natural, seen, room, scrolled = page.locator("img").evaluate(
                "i => [i.naturalWidth, i.clientWidth, i.parentNode.clientWidth, i.parentNode.scrollWidth]"
            )
            assert seen == pytest.approx(max(SMALLEST * natural, min(natural, room)), abs=1)
            assert (scrolled > room) == (seen > room)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def plays(frame: Any, root: Value) -> None:
    """Play a frame's player to its end, and read the gradients off it."""
    frame.locator("[data-do=end]").dispatch_event("click")
    frame.wait_for_function("document.querySelector('.scrub').value == document.querySelector('.scrub').max")
    grads = dict(
        frame.evaluate("""[...document.querySelectorAll('.node:not(.constant)')].map(node =>
        [node.dataset.node, node.querySelector('text.grad.value').textContent])""")
    )
    assert grads == {str(node.id): figure(node.grad) for node in snapshot(root).nodes}


# ---- notebooks ---------------------------------------------------------------------------------------------------------


def program(name: str) -> str:
    """Where a program is: beside this Python or on the PATH."""
    beside = shutil.which(name, path=os.fspath(Path(sys.executable).parent))
    found = beside or shutil.which(name)
    assert found, f"no {name}: python -m pip install '.[browser,notebook]'"
    return found


def notebook(path: Path, *outputs: Any) -> Path:
    """A notebook as it is saved after its cells have shown `outputs`, whose kernel is not on this machine."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": number,
            "id": f"{path.stem}-{number}",
            "metadata": {},
            "source": f"show({number})",
            "outputs": [
                {
                    "output_type": "execute_result",
                    "execution_count": number,
                    "metadata": {},
                    "data": output._repr_mimebundle_(),
                }
            ],
        }
        for number, output in enumerate(outputs, 1)
    ]
    kernel = {"kernelspec": {"name": "gone", "display_name": "Gone", "language": "python"}}
    path.write_text(
        json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    return path


@browsing
def test_converted_to_html_and_opened_offline(browser, tmp_path):
    y = lecture()
    path = notebook(tmp_path / "saved.ipynb", play(y), draw(y), y, play(y))
    converted = [program("jupyter-nbconvert"), "--to", "html", "--output-dir", os.fspath(tmp_path), os.fspath(path)]
    done = subprocess.run(converted, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with opened(browser, tmp_path / "saved.html") as page:
        page.wait_for_function("document.querySelectorAll('iframe').length == 2")
        assert page.locator(".jp-OutputArea-output img").count() == 2
        for frame in page.frames[1:]:
            plays(frame, y)
        # nbconvert's own page asks for two libraries that it can do without; nothing of ours asks for anything.
        page.wrong[:] = [what for what in page.wrong if "cdnjs.cloudflare.com" not in what and "ERR_FAILED" not in what]


@contextlib.contextmanager
def serving(command: Sequence[str], ready: str, **environment: str) -> Iterator[None]:
    """A server on this machine, once it answers at the address `ready`; ended at the end."""
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            deadline = time.monotonic() + 90
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
                    break
                if server.poll() is not None or time.monotonic() > deadline:
                    server.kill()
                    pytest.fail(
                        f"{command[0]} does not answer:\n{(server.stdout.read() if server.stdout else '')[-2000:]}"
                    )
                time.sleep(0.2)
            yield
        finally:
            server.terminate()
            server.communicate()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


Lab = Callable[..., contextlib.AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with a trusted notebook, one that is not, and one with a kernel; and a way to open them."""
    lab, trust = program("jupyter-lab"), program("jupyter-trust")
    place = tmp_path_factory.mktemp("lab")
    own = {f"JUPYTER_{kind}_DIR": os.fspath(place / kind) for kind in ("DATA", "CONFIG", "RUNTIME")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": os.fspath(place / "settings"), "IPYTHONDIR": os.fspath(place / "ipython")}
    themes = place / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    themes.parent.mkdir(parents=True)
    y = lecture()
    trusted = notebook(place / "trusted.ipynb", play(y), draw(y), y, play(y))
    notebook(place / "untrusted.ipynb", play(y), draw(y), y, play(y))
    code = "from autograd import explore\ne = explore(lambda a, b: (a * b).tanh(), a=(-3, 3, 1.0), b=2.0)\ne", "e.a"
    live = json.loads(notebook(place / "live.ipynb", y, y).read_text(encoding="utf-8"))
    live["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for cell, source in zip(live["cells"], code, strict=True):
        cell |= {"source": source, "outputs": [], "execution_count": None}
    (place / "live.ipynb").write_text(json.dumps(live), encoding="utf-8")
    subprocess.run([trust, os.fspath(trusted)], env={**os.environ, **own}, check=True, capture_output=True)
    address = f"http://127.0.0.1:{(port := free_port())}"
    options = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--ServerApp.port={port}"]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={place}", "--LabApp.news_url=None"]

    @contextlib.contextmanager
    def showing(name: str, theme: str = "Light", waits_for: str = ".jp-Dialog") -> Iterator[Any]:
        themes.write_text(json.dumps({"theme": f"JupyterLab {theme}"}))
        allowed = (address, address.replace("http", "ws"))
        start = f"{address}/doc/tree/{name}.ipynb?reset"
        with opened(browser, start, allowed=allowed, height=2400) as page:
            page.wait_for_selector(waits_for, timeout=60_000)  # at first the dialog: there is no such kernel
            yield page
            page.wrong.clear()  # what JupyterLab says of itself

    with serving([lab, *options], f"{address}/api", **own, PYTHONPATH=os.fspath(ROOT)):
        yield showing


@browsing
@pytest.mark.slow
def test_jupyterlab_trusted_and_reopened_without_a_kernel(lab):
    with lab("trusted") as page:
        page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output iframe').length == 2")
        assert page.locator(".jp-OutputArea-output img").count() == 2  # a drawing, and a Value
        for frame in page.frames[1:]:
            plays(frame, lecture())


@browsing
@pytest.mark.slow
def test_jupyterlab_untrusted(lab):
    with lab("untrusted") as page:
        page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output img').length == 4")
        for picture in page.locator(".jp-OutputArea-output img").all():
            assert picture.evaluate("image => image.complete && image.naturalWidth > 400 && image.width > 400")
        assert (
            page.inner_text("body").count("trust the notebook") == 2 and not page.locator(".jp-Notebook iframe").count()
        )


@browsing
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_jupyterlabs_theme_not_the_systems(lab, theme):
    with lab("trusted", theme) as page:
        page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output iframe').length == 2")
        for frame in page.frames[1:]:
            assert darkness(frame.evaluate("getComputedStyle(document.body).backgroundColor")) == (theme == "Dark")


def darkness(colour: str) -> bool:
    """Whether "rgb(15, 23, 42)" is dark."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) < 384


@browsing
@pytest.mark.slow
def test_marimo(browser, tmp_path):
    marimo = program("marimo")
    code = "from test_places import draw, play; from test_places import lecture"
    cells = [code + "; y = lecture()\n    return draw, play, y", "play(y)", "draw(y)", "y", "play(y)"]
    needs = ["", "play, y", "draw, y", "y", "play, y"]
    app = [
        f"@app.cell\ndef _({n}):\n    {c}\n" + "    return\n" * (i > 0)
        for i, (n, c) in enumerate(zip(needs, cells, strict=True))
    ]
    path = tmp_path / "app.py"
    path.write_text("import marimo\napp = marimo.App()\n" + "\n".join(app), encoding="utf-8")
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [marimo, "run", os.fspath(path), "--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    own = {"PYTHONPATH": os.pathsep.join([os.fspath(ROOT), os.fspath(ROOT / "tests")])}
    with (
        serving(command, f"{address}/health", **own),
        opened(browser, address, allowed=(address, address.replace("http", "ws")), height=3000) as page,
    ):
        page.wait_for_selector("iframe", timeout=60_000)
        page.wait_for_function("document.querySelectorAll('iframe').length == 2 && document.images.length == 2")
        for frame in page.frames[1:]:
            plays(frame, lecture())
        page.wrong[:] = [what for what in page.wrong if not what.startswith("console")]  # marimo's own


@browsing
@pytest.mark.slow
def test_the_explorer_live_in_jupyterlab(lab):
    with lab("live", waits_for=".jp-Notebook-ExecutionIndicator[data-status=idle]") as page:
        for _ in range(10):  # a run that comes before the kernel is connected is lost without a word
            page.locator(".jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(2_000)
            if page.evaluate("/[0-9*]/.test(document.querySelector('.jp-InputPrompt').innerText)"):
                break
        slider = page.locator(".autograd-explorer input[type=range]").first
        slider.wait_for(timeout=30_000)
        slider.focus()
        page.keyboard.press("ArrowRight")
        moved = float(slider.input_value())
        assert moved > 1
        page.wait_for_function("!document.querySelector('.autograd-explorer .result').innerText.includes('0.9640')")
        page.locator(".jp-CodeCell .cm-content").nth(1).click()
        page.keyboard.press("Shift+Enter")
        answer = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
        answer.wait_for(timeout=60_000)
        assert float(answer.inner_text()) == moved, "Python has the number that the slider has"


@browsing
def test_an_explorer_saved_and_opened_without_its_widget(browser, tmp_path):
    explorer = explore(lambda a, b: (a * b).tanh(), a=(-3, 3), b=2.0)
    bundle, _ = explorer._repr_mimebundle_()
    with opened(browser, bundle["text/html"], java_script_enabled=False) as page:
        assert page.locator("img").count() == 2  # the graph, and f and its derivative over a
        assert all(box["height"] > 100 for box in [image.bounding_box() for image in page.locator("img").all()])


# ---- the pictures of the whole -----------------------------------------------------------------------------------------


@browsing
def test_twelve_screenshots(tmp_path):
    command = [sys.executable, "-m", "tests.screenshots", "--output", os.fspath(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 12
    for picture in pictures:
        start = picture.read_bytes()[:24]
        width, height = (int.from_bytes(start[at : at + 4], "big") for at in (16, 20))
        assert start[1:4] == b"PNG" and 500 <= width <= 4000 and 200 <= height <= 6000, (picture.name, width, height)
        assert picture.stat().st_size > 10_000, f"{picture.name} shows nothing"
