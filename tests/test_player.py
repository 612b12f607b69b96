"""The player: its page as text, and played in a browser, its numbers read back and compared with Python's."""

import html
import itertools
import json
import math
import random
import re
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import graphs
import pytest

import autograd
from autograd import Value, ledger, paths, snapshot
from autograd.drawing.draw import draw
from autograd.drawing.embed import embedded
from autograd.drawing.figures import figure
from autograd.drawing.folding import folded
from autograd.drawing.ledger import steps
from autograd.drawing.player import Player, play, slider_names, swept, told
from autograd.drawing.snapshot import Snapshot
from autograd.naming import scoped
from nn import MLP, Neuron
from tests.browser import opened

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><!--",
    "]]>\"'&amp;",
    "a\u202eb\n\u2028",
    "javascript:alert(1)",
    "x" * 10_000,
]


def lecture(**numbers: float) -> Value:
    return graphs.lecture(**numbers)[0]


def varied(a: float = 2.0, b: float = -3.0, c: float = 0.5) -> Value:
    """Fan-out, a repeated parent, constants, a choice and an n-ary node."""
    x, y, z = Value(a, label="a"), Value(b, label="b"), Value(c, label="c")
    square = x * x
    chosen = autograd.maximum(square, y)
    chosen.label = "m"
    root = autograd.dot([x, chosen, 2.0], [y, z, x]) + autograd.logsumexp([x, z, x]) * (chosen - 1).tanh()
    root.label = "f"
    return root


def chain(size: int) -> Value:
    """About so many nodes, all of which the result depends on."""
    nodes = [Value(0.1 * i - 0.2, label=f"v{i}") for i in range(5)]
    while len(nodes) < 0.9 * size:
        nodes.append((nodes[-1] * nodes[len(nodes) // 2]).tanh() if len(nodes) % 2 else nodes[-1] + nodes[-3])
    return autograd.sum(nodes[-4:])


def random_free_mlp(*widths: int) -> Value:
    """A network with weights of its own."""
    state = random.getstate()
    random.seed(1)
    model = MLP(2, list(widths))
    random.setstate(state)
    return model([Value(1.0, label="x1"), Value(-2.0, label="x2")])


def grads_at(graph: Snapshot, step: int) -> list[str]:
    """Every gradient as the drawing should show it at a step, from Python's own ledger; "" for a constant."""
    grads: dict[int, Any] = {}
    if step >= 0:
        grads[graph.root.id] = 1.0 if isinstance(graph.root.data, float) else 1
    for (node, operand), row in list(zip(steps(graph), ledger(graph), strict=True))[: max(step, 0)]:
        grads[node.edges[operand].parent] = row.grad_after
    return ["" if node.kind == "constant" else figure(grads.get(node.id)) for node in graph.nodes]


def figures(page: Any, kind: str) -> list[str]:
    """The figures of all nodes on the page, "data" or "grad", in the order of their ids; "" where there is none."""
    return page.evaluate(
        """kind => [...document.querySelectorAll('[data-node]')].sort((a, b) => a.dataset.node - b.dataset.node)
           .map(g => g.querySelector(`.${kind}.value`)?.textContent ?? '')""",
        kind,
    )


def numbers_on_edges(page: Any) -> dict[str, str]:
    """The local derivatives on the page, by data-edge."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-edge]')]
           .map(g => [g.dataset.edge, g.querySelector('.number')?.textContent ?? '']))"""
    )


def arithmetic(page: Any) -> str:
    """What is written out of this step, each piece apart by one space."""
    return " ".join(page.locator(".sum").inner_text().split())


def press(page: Any, key: str, times: int = 1) -> None:
    for _ in range(times):
        page.keyboard.press(key)


def until(page: Any, condition: str) -> None:
    """Wait for something to be so; Playwright's own way of it would need the page to allow `eval`."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never so: {condition}")


def scrub(page: Any, step: int) -> None:
    page.locator(".scrub").evaluate(
        "(range, step) => { range.value = step; range.dispatchEvent(new Event('input', {bubbles: true})) }", step
    )


# ---- the page as text ----------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Every element of a page, and whether its tags match."""

    VOID = ("meta", "input", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("make", [lecture, varied, lambda: Value(3.0), lambda: random_free_mlp(4, 1)])
def test_the_page_is_well_formed_and_needs_nothing(make: Callable[[], Value]) -> None:
    page = play(make()).html
    elements = Elements(page)
    assert not elements.open
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert not [tag for tag, _ in elements.found if tag in ("link", "img", "iframe", "object", "base", "form", "a")]
    attributes = {name for _, given in elements.found for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href", "action")}
    assert set(re.findall(r"[a-z]+://[^\s\"'<>]*", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "url(" not in page


def test_labels_are_text() -> None:
    values = [Value(float(i), label=label) for i, label in enumerate(HOSTILE)]
    page = play(autograd.sum([x * x for x in values])).html
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert "<script>alert" not in page
    data = page.split('<script type="application/json">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(data)
    names = [node["name"] for node in json.loads(data)["nodes"]]
    assert any(name.startswith("<script>alert(1)</") for name in names)
    assert max(map(len, names)) <= 30


def test_the_same_graph_gives_the_same_page() -> None:
    def without_ids(page: str) -> str:
        return re.sub(r"graph-\d+-[0-9a-f]+", "graph", page)

    assert without_ids(play(varied()).html) == without_ids(play(varied()).html)


def test_it_touches_no_grad_and_is_the_same_after_backward() -> None:
    root = lecture()
    before = play(root)
    assert {node.grad for node in snapshot(root).nodes} == {None}
    root.backward()
    grads = [node.grad for node in snapshot(root).nodes]
    after = play(root)
    assert [node.grad for node in snapshot(root).nodes] == grads
    assert re.sub(r"graph-\d+-[0-9a-f]+", "", before.html) == re.sub(r"graph-\d+-[0-9a-f]+", "", after.html)
    assert [node.grad for node in swept(snapshot(root)).nodes] == grads


def test_what_it_is_in_a_notebook() -> None:
    player = play(lecture())
    assert repr(player) == "<Player of L: 8 nodes, 6 steps>"
    bundle = player._repr_mimebundle_()
    assert bundle["text/plain"] == repr(player)
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert "autograd-player" in bundle["text/html"]


def test_save(tmp_path: Path) -> None:
    player = play(lecture())
    path = str(tmp_path / "y.html")
    assert player.save(path) == path
    assert Path(path).read_text(encoding="utf-8") == player.html
    with pytest.raises(ValueError, match=r"a name that ends in \.html, not '.*y\.svg'"):
        player.save(tmp_path / "y.svg")
    with pytest.raises(OSError, match=r"nowhere"):
        player.save(tmp_path / "nowhere" / "y.html")
    assert [file.name for file in tmp_path.iterdir()] == ["y.html"]


def test_refusals() -> None:
    with pytest.raises(TypeError, match="got 3"):
        play(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="theme 'blue'"):
        play(lecture(), theme="blue")
    with pytest.raises(ValueError, match="direction 'up'"):
        play(lecture(), direction="up")
    with pytest.raises(ValueError, match="constants 'no'"):
        play(lecture(), constants="no")
    with pytest.raises(ValueError, match="fold"):
        play(chain(2500), fold="atomic")
    with pytest.raises(ValueError, match=r"^a player of more than 2,000 nodes.*are played\. Play a part"):
        play(chain(2500), fold="atomic")
    assert isinstance(play(chain(300), limit=None), Player)


def test_a_large_network_is_folded_to_what_gives_one_number_each() -> None:
    root = random_free_mlp(16, 16, 1)
    assert len(play(root).graph.nodes) == 35
    assert len(play(root, fold="atomic").graph.nodes) > 900
    assert len(play(random_free_mlp(4, 1)).graph.nodes) == len(snapshot(random_free_mlp(4, 1)).nodes)
    assert len(play(play(root).graph).graph.nodes) == 35


def test_a_part_with_several_outputs_is_refused() -> None:
    root = random_free_mlp(4, 1)
    with pytest.raises(ValueError, match=r"stands for 4 numbers.*: play it with fold='model'"):
        play(root, fold="layer")
    play(root, fold="model")
    with pytest.raises(ValueError, match="with nothing folded"):
        play(folded(snapshot(root), "layer"))


def test_the_advice_for_a_batch_works() -> None:
    model = MLP(2, [3, 1], rng=random.Random(0))
    loss = autograd.sum([(model([float(i), 1.0]) - 1) ** 2 for i in range(3)])
    for fold in ("neuron", "layer", "model"):
        with pytest.raises(ValueError, match="play it with fold='atomic'"):
            play(loss, fold=fold)
    play(loss, fold="atomic")
    model = MLP(2, [16, 16, 1], rng=random.Random(0))
    loss = autograd.sum([(model([float(i), 1.0]) - 1) ** 2 for i in range(3)])
    with pytest.raises(ValueError, match=r"play one example.*fold='atomic', limit=") as error:
        play(loss)
    assert int(str(error.value).split("limit=")[1]) == len(snapshot(loss).nodes)


def test_one_part_is_folded_by_its_name() -> None:
    graph = play(random_free_mlp(3, 1), fold="layers.0.neurons.1").graph
    assert [node.name for node in graph.nodes if node.kind == "group"] == ["layers.0.neurons.1"]


# ---- stepping ------------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("make", [lecture, varied, lambda: Value(3.0, label="x"), lambda: random_free_mlp(3, 1)])
def test_every_step_from_both_sides(browser: Any, make: Callable[[], Value]) -> None:
    graph = snapshot(make())
    last = len(ledger(graph))
    with opened(browser, play(graph, fold="atomic").html) as page:
        assert figures(page, "data") == [figure(node.data) for node in graph.nodes]
        for step in range(-1, last + 1):
            assert figures(page, "grad") == grads_at(graph, step)
            press(page, "ArrowRight")
        press(page, "ArrowRight")
        for step in range(last, -2, -1):
            assert figures(page, "grad") == grads_at(graph, step)
            press(page, "ArrowLeft")
        for step in (last, 0, last // 2, -1, last // 3, last):
            scrub(page, step)
            assert figures(page, "grad") == grads_at(graph, step)
            assert page.locator(".swept").count() == max(step, 0)
        press(page, "Home")
        assert page.locator(".count").inner_text() == "before the sweep"
        press(page, "End")
        assert page.locator(".count").inner_text() == f"step {last} of {last}"


@pytest.mark.browser
@pytest.mark.parametrize("make", [lecture, varied])
def test_the_arithmetic_is_the_ledger(browser: Any, make: Callable[[], Value]) -> None:
    def bracketed(x: Any) -> str:
        return f"({figure(x)})" if figure(x).startswith("−") else figure(x)

    graph = snapshot(make())
    rows = ledger(graph)
    with opened(browser, play(graph).html) as page:
        press(page, "ArrowRight")
        assert arithmetic(page).endswith(f"{graph.root.name}.grad = 1.000")
        for (node, operand), row in zip(steps(graph), rows, strict=True):
            press(page, "ArrowRight")
            edge, written = node.edges[operand], arithmetic(page)
            total = f"{figure(row.grad_before)} + {bracketed(row.contribution)} = {figure(row.grad_after)}"
            assert written.endswith(f"{row.parent}.grad = {total}")
            if edge.carries:
                assert f"{row.parent}.grad += {row.node}.grad × " in written
                assert f"+= {figure(row.upstream)} × {bracketed(row.local_derivative)} += " in written
                formula = (row.formula or "").replace("-", "−")
                assert formula in written
            else:
                assert f"{row.node} did not choose {row.parent}: this edge carries nothing." in written
            active = page.locator(".edge.active")
            assert active.get_attribute("data-edge") == f"{node.id}.{operand}"
            assert page.locator(".active.idle").count() == (not edge.carries)
            assert page.locator(".gives").get_attribute("data-node") == str(node.id)
            assert page.locator(".takes").get_attribute("data-node") == str(edge.parent)
        assert "The sweep is done." in page.locator(".told").inner_text()


@pytest.mark.browser
def test_playing_pausing_and_the_buttons(browser: Any) -> None:
    graph = snapshot(varied())
    last = len(ledger(graph))
    with opened(browser, play(graph).html) as page:
        page.locator(".speed").select_option("250")
        page.get_by_role("button", name="Play").click()
        until(page, "!document.querySelector('.playing')")
        assert figures(page, "grad") == grads_at(graph, last)
        page.locator(".speed").select_option("0.5")
        page.locator("h1").click()
        press(page, " ")  # from the end it begins again
        assert page.get_by_role("button", name="Pause").count() == 1
        assert [page.locator(icon).is_visible() for icon in (".play .go", ".play .halt")] == [False, True]
        until(page, "document.querySelector('.count').textContent.startsWith('step 0 of')")
        press(page, " ")
        assert page.get_by_role("button", name="Play", exact=True).count() == 1
        assert [page.locator(icon).is_visible() for icon in (".play .go", ".play .halt")] == [True, False]
        for name, step in (
            ("One step", 1),
            ("One step", 2),
            ("One step back", 1),
            ("To the end", last),
            ("To the start", -1),
        ):
            page.get_by_role("button", name=name, exact=True).click()
            assert figures(page, "grad") == grads_at(graph, step)


@pytest.mark.browser
def test_jumping_to_the_step_where_a_gradient_is_complete(browser: Any) -> None:
    graph = snapshot(varied())
    complete = {node.id: 0 for node in graph.nodes if node.id == graph.root.id}
    for k, (node, operand) in enumerate(steps(graph), 1):
        complete[node.edges[operand].parent] = k
    with opened(browser, play(graph).html, reduced_motion="reduce") as page:  # a drawing that glides is hard to hit
        for id, step in complete.items():
            for way in ("click", "Enter", "select"):
                press(page, "Home")
                if way == "click":
                    page.locator(f"[data-node='{id}']").click()
                elif way == "Enter":
                    page.locator(f"[data-node='{id}']").focus()
                    press(page, "Enter")
                else:
                    page.locator(".go-to").select_option(str(id))
                assert page.locator(".scrub").input_value() == str(step), way
                assert figures(page, "grad")[id] == figure(swept(graph).nodes[id].grad)
                page.locator("h1").click()


# ---- paths and the proof -------------------------------------------------------------------------------------------


def all_paths(graph: Snapshot, start: int) -> list[tuple[list[tuple[int, int]], float]]:
    """Every path from a node to the root, as edges and their product: by trying all."""
    found, unfinished = [], [([(-1, start)], 1.0)]
    while unfinished:
        way, product = unfinished.pop()
        if way[-1][1] == graph.root.id:
            found.append(([(node, operand) for operand, node in way[1:]], product))
        for node in graph.nodes:
            for operand, edge in enumerate(node.edges):
                if edge.parent == way[-1][1] and edge.local is not None:
                    unfinished.append(([*way, (operand, node.id)], product * edge.local if edge.carries else 0.0))
    return found


@pytest.mark.browser
def test_paths_of_a_node_that_is_pointed_at(browser: Any) -> None:
    graph = snapshot(varied())
    final = swept(graph)
    with opened(browser, play(graph).html, height=1400) as page:
        for node in graph.nodes[:-1]:
            if node.kind == "constant":
                continue
            for way in ("hover", "focus"):
                box = page.locator(f"[data-node='{node.id}']")
                page.locator("h1").hover()
                press(page, "Tab")  # so that focus is seen
                box.hover() if way == "hover" else box.focus()
                ways = all_paths(graph, node.id)
                card = " ".join(page.locator(".node-card").inner_text().split())
                assert f"{len(ways)} path" in card
                name = node.name if node.name[0].isalnum() else f"({node.name})"
                assert f"∂{graph.root.name}/∂{name} = {figure(final.nodes[node.id].grad)}" in card
                products = [re.split(" = |\n", text)[-1] for text in page.locator(".routes li").all_inner_texts()]
                largest = sorted([product for _, product in ways], key=abs, reverse=True)[:8]
                assert products == [figure(x) if x else products[i] for i, x in enumerate(largest)]
                lit = {f"{child}.{operand}" for edges, _ in ways for child, operand in edges}
                traced = page.locator(".edge.traced").evaluate_all("all => all.map(g => g.dataset.edge)")
                assert set(traced) == lit
            press(page, "Escape")
        page.locator("h1").hover()
        page.locator("h1").click()
        page.keyboard.press("Escape")
        assert page.locator(".traced").count() == 0


@pytest.mark.browser
def test_paths_beyond_the_listed_are_summed(browser: Any) -> None:
    x = Value(1.1, label="x")
    y = x
    for _ in range(70):
        y = y * 0.5 + y * 0.4
    y.label = "y"
    with opened(browser, play(y).html) as page:
        page.locator(".go-to").select_option("0" if snapshot(y).nodes[0].label == "x" else str(label_id(y, "x")))
        card = page.locator(".node-card").inner_text()
        assert f"{2**70:,} paths to y, the 8 largest:" in card
        assert f"{2**70 - 8:,} other paths:" in card
        assert page.locator(".routes li").count() == 8
        assert figure(autograd.gradients(y, x)) in card.split("∂y/∂x = ")[1]


def label_id(root: Value, label: str) -> int:
    return next(node.id for node in snapshot(root).nodes if node.label == label)


@pytest.mark.browser
def test_the_proof_by_differences(browser: Any) -> None:
    root = lecture()
    graph = swept(snapshot(root))
    with opened(browser, play(root).html) as page:
        for label in "abc":
            page.locator(".go-to").select_option(str(label_id(root, label)))
            rows = [row.split("\t") for row in page.locator(".proof tr").all_inner_texts()]
            assert [row[0] for row in rows] == [f"L({label} + h)", f"L({label} − h)", "difference / 2h", "gradient"]
            above, below, quotient, gradient = [float(row[1].replace("−", "-")) for row in rows]
            exact = graph.nodes[label_id(root, label)].grad
            assert gradient == pytest.approx(exact, rel=1e-9)
            assert quotient == pytest.approx(exact, rel=1e-6)
            h = 2**-17 * max(1, abs(graph.nodes[label_id(root, label)].data))
            given = {node.label: node.data for node in graph.nodes if node.label in tuple("abc")}
            assert above == pytest.approx(lecture(**given | {label: given[label] + h}).data, rel=1e-11)
            assert below == pytest.approx(lecture(**given | {label: given[label] - h}).data, rel=1e-11)
            agreeing = page.locator(".proof .agree").all_inner_texts()
            assert len(agreeing[2]) >= 7 and agreeing[2] == agreeing[3]
            assert rows[2][1].startswith(agreeing[2]) and rows[3][1].startswith(agreeing[2])
        page.locator(".go-to").select_option(str(label_id(root, "d")))
        assert page.locator(".proof").count() == 0


@pytest.mark.browser
def test_exactly_the_digits_that_agree_are_marked(browser: Any) -> None:
    x = Value(3.0, label="x")
    with opened(browser, play((x * 7).exp() * 1e-3).html) as page:
        page.locator("[data-node].leaf").click()
        quotient, gradient = [row.split("\t")[1] for row in page.locator(".proof tr").all_inner_texts()[2:]]
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(quotient, gradient, strict=True))
        same = "".join([x for x, _ in pairs])
        assert 4 < len(same) < len(gradient)
        assert page.locator(".proof .agree").all_inner_texts()[2:] == [same, same]
        assert f"Digits that agree: {sum(map(str.isdigit, same))}." in page.locator(".node-card").inner_text()
        page.get_by_label("x, exactly").fill("nan")
        assert page.locator(".proof .agree").all_inner_texts() == [""] * 4
        assert page.locator(".proof .wrong").all_inner_texts() == ["NaN"] * 4
        assert "no digits to compare" in page.locator(".node-card").inner_text()


def kinked(x: float = 1.0) -> Value:
    u, v = Value(1.0, label="u"), Value(x, label="v")
    root = autograd.maximum(u, v) + (u - 1).relu() + abs(v - 1)
    root.label = "m"
    return root


@pytest.mark.browser
def test_the_proof_tells_a_kink(browser: Any) -> None:
    with opened(browser, play(kinked()).html) as page:
        for name, left, right in (("v", "−1.000", "2.000"), ("u", "0.000", "2.000")):
            page.locator(".go-to").select_option(label=name)
            card = page.locator(".node-card").inner_text()
            assert f"{name} stands at a kink: slope {left} from the left, {right} from the right; " in card
            assert "the gradient is the rule’s choice between them." in card and "digits" not in card
        exactly(page, "v", 1.25)
        page.locator(".go-to").select_option(label="v")
        assert "kink" not in page.locator(".node-card").inner_text()
    x = Value(0.0, label="x")
    for smooth in (x**2, x.sin() * 1e6, (x * 1e5).tanh(), x.exp() + 1e12, x**3, (x * 1e4).cosh()):
        with opened(browser, play(smooth).html) as page:
            page.locator(".go-to").select_option(label="x")
            assert "kink" not in page.locator(".node-card").inner_text(), smooth


# ---- sliders -------------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("make", [lecture, varied])
def test_sliders_recompute_everything(browser: Any, make: Callable[..., Value]) -> None:
    graph = snapshot(make())
    last = len(ledger(graph))
    given = {node.label: node.data for node in graph.nodes if node.kind == "leaf"}
    with opened(browser, play(graph).html) as page:
        for step, label, value in (
            (last, "a", -1.25),
            (3, "b", 4.5),
            (0, "c", 1e-3),
            (-1, "a", 0.1),
            (last // 2, "b", -17.0),
        ):
            scrub(page, step)
            page.get_by_label(f"{label}, exactly").fill(str(value))
            given[label] = value
            moved = snapshot(make(**given))
            assert figures(page, "data") == [figure(node.data) for node in moved.nodes]
            assert figures(page, "grad") == grads_at(moved, step)
            locals_ = {f"{n.id}.{i}": edge.local for n in moved.nodes for i, edge in enumerate(n.edges)}
            assert numbers_on_edges(page) == {k: "" if x is None else figure(x) for k, x in locals_.items()}
            still = page.locator(".edge.still").evaluate_all("all => all.map(g => g.dataset.edge)")
            assert set(still) == {f"{n.id}.{i}" for n in moved.nodes for i, e in enumerate(n.edges) if not e.carries}
            if step > 0:
                row = ledger(moved)[step - 1]
                assert arithmetic(page).endswith(f"= {figure(row.grad_after)}")
                assert page.locator(".edge.active.idle").count() == (not contributions_carry(moved)[step - 1])
        for label in given:
            page.get_by_role("button", name=f"Back to the first {label}").click()
        assert figures(page, "data") == [figure(node.data) for node in graph.nodes]
        scrub(page, last)
        assert figures(page, "grad") == grads_at(graph, last)


def contributions_carry(graph: Snapshot) -> list[bool]:
    return [node.edges[operand].carries for node, operand in steps(graph)]


@pytest.mark.browser
def test_moving_a_slider_by_hand(browser: Any) -> None:
    with opened(browser, play(lecture()).html, height=1200) as page:
        press(page, "End")
        slider = page.get_by_role("slider", name="a", exact=True)
        box = slider.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()
        value = float(page.get_by_label("a, exactly").input_value().replace("−", "-"))
        assert 3.5 < value < 6.5
        moved = snapshot(lecture(a=value))
        assert figures(page, "data") == [figure(node.data) for node in moved.nodes]
        assert figures(page, "grad") == grads_at(moved, len(ledger(moved)))
        slider.press("ArrowLeft")
        assert float(page.get_by_label("a, exactly").input_value().replace("−", "-")) < value
        assert page.locator(".scrub").input_value() == str(len(ledger(moved)))  # the arrow was the slider's


@pytest.mark.browser
def test_a_field_takes_numbers_only(browser: Any) -> None:
    with opened(browser, play(lecture()).html) as page:
        field = page.get_by_label("b, exactly")
        for wrong, words in (
            ("", "Nothing is written here. It stays −3.000."),
            ("two", "“two” cannot be read as a number: write it as in 2, −0.5 or 1e−3; inf and nan may be tried."),
            ("1,5", "write 1.5. It stays −3.000."),
            ("−1/4", "write −0.25."),
            ("1/0", "write it as in 2"),
            ("--1", "“--1” cannot be read"),
            ("1e", "“1e” cannot be read"),
            ("0x10", "“0x10” cannot be read"),
        ):
            field.fill(wrong)
            assert words in page.locator(".problem").nth(1).inner_text()
            assert field.get_attribute("aria-invalid") == "true"
            assert figures(page, "data") == [figure(node.data) for node in snapshot(lecture()).nodes]
        field.fill("−1e-1")  # with a true minus sign
        assert field.get_attribute("aria-invalid") == "false"
        assert page.locator(".problem").all_inner_texts() == [""] * 3
        assert figures(page, "data") == [figure(node.data) for node in snapshot(lecture(b=-0.1)).nodes]
        field.fill("nonsense")
        field.blur()
        assert field.input_value() == "−0.1"
        assert page.locator(".problem").all_inner_texts() == [""] * 3


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 390])
def test_a_field_has_room_for_its_number(browser: Any, width: int) -> None:
    values = [-0.244422, -0.00912981, -1.234567e-7, 123456.7, -1e300, 1 / 3]
    xs = [Value(x, label=f"a{i}") for i, x in enumerate(values)]
    with opened(browser, play(autograd.sum(xs)).html, width=width) as page:
        for i, x in enumerate(values):
            field = page.get_by_label(f"a{i}, exactly")
            assert float(field.input_value().replace("−", "-")) == pytest.approx(x, rel=1e-3)
            assert field.evaluate("x => x.scrollWidth <= x.clientWidth"), field.input_value()
        assert page.get_by_label("a0, exactly").input_value() == "−0.244422"


@pytest.mark.browser
def test_sliders_say_the_part_in_the_order_of_the_graph(browser: Any) -> None:
    with opened(browser, play(random_free_mlp(3, 1)).html) as page:
        names = page.locator(".leaf-row").evaluate_all("all => all.map(row => row.title)")
        neurons = [f"layers.0.neurons.{i}.{name}" for i in range(3) for name in ("b", "w[0]", "w[1]")]
        assert names == ["x1", "x2", *neurons, "layers.1.neurons.0.b"]
        written = page.locator(".leaf-row .who").all_inner_texts()
        assert len(set(written)) == len(written)
        assert written[2:4] == ["…0.neurons.0.b", "…0.neurons.0.w[0]"]
        assert page.get_by_label("layers.0.neurons.2.w[1], exactly").count() == 1
        fits = page.locator(".leaf-row .who").evaluate_all("all => all.every(x => x.scrollWidth <= x.clientWidth)")
        assert fits
    with opened(browser, play(lecture()).html) as page:
        assert page.locator(".leaf-row .who").all_inner_texts() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Neuron(2)([Value(1.0, label="x"), Value(2.0, label="x")]), {"x #", "w[0]", "w[1]", "b"}),
        (lambda: MLP(1, [1])(Value(1.0)), {"leaf", "w[0]", "b"}),
        (lambda: Value(1.0, label="b") * MLP(1, [1])(Value(1.0, label="x")), {"layers.0.neurons.0.b", "b", "x"}),
    ],
)
def test_no_two_sliders_have_one_name(make: Callable[[], Value], names: set[str]) -> None:
    found = slider_names(snapshot(make()))
    assert len(set(found.values())) == len(found)
    assert names <= {re.sub(r"#\d+", "#", name) for name in found.values()}


@pytest.mark.browser
def test_paths_and_the_proof_follow_the_sliders(browser: Any) -> None:
    with opened(browser, play(lecture()).html) as page:
        page.locator(".go-to").select_option(str(label_id(lecture(), "a")))
        page.get_by_label("b, exactly").fill("-4")
        moved = swept(snapshot(lecture(b=-4.0)))
        card = page.locator(".node-card").inner_text()
        assert f"∂L/∂a = {figure(moved.nodes[label_id(lecture(), 'a')].grad)}" in card
        assert "−4.000 × 1.000 × 0.2000" in card


@pytest.mark.browser
def test_numbers_that_are_not_finite_are_red(browser: Any) -> None:
    x = Value(0.0, label="x")
    y = (x.log() * 0.5) * x
    y.label = "y"
    graph = snapshot(y)
    with opened(browser, play(y).html) as page:
        press(page, "End")
        assert figures(page, "data") == [figure(node.data) for node in graph.nodes]
        assert figures(page, "grad") == grads_at(graph, len(ledger(graph)))
        red = page.locator(".data.value.wrong, .grad.value.wrong, .number.wrong").all_text_contents()
        assert {"−∞", "∞", "NaN"} >= set(red) and "NaN" in red
        assert page.get_by_text("first ∞").is_visible()
        page.get_by_label("x, exactly").fill("2")
        assert figures(page, "data") == [figure(node.data) for node in snapshot(rebuilt(2.0)).nodes]
        assert page.locator(".value.wrong, .number.wrong").count() == 0
        assert not page.get_by_text("first ∞").is_visible()
        page.get_by_label("x, exactly").fill("nan")
        moved = snapshot(rebuilt(math.nan))
        assert figures(page, "data") == [figure(node.data) for node in moved.nodes]
        assert figures(page, "grad") == grads_at(moved, len(ledger(moved)))


def rebuilt(x: float) -> Value:
    leaf = Value(x, label="x")
    return (leaf.log() * 0.5) * leaf


@pytest.mark.browser
def test_many_leaves(browser: Any) -> None:
    values = [Value(0.01 * i, label="" if i % 100 else f"w{i}") for i in range(300)]
    root = autograd.dot(values, values)
    ids = {node.data: node.id for node in snapshot(root).nodes if node.kind == "leaf"}
    with opened(browser, play(root).html) as page:
        assert page.locator(".leaf-row").count() == 3
        page.locator(f"[data-node='{ids[0.07]}']").click()
        assert page.locator(f".leaf-row[data-leaf='{ids[0.07]}']").count() == 1
        page.get_by_text("297 more leaves").click()
        until(page, "document.querySelectorAll('.leaf-row').length === 300")
        page.locator(f".leaf-row[data-leaf='{ids[0.07]}'] input[type=text]").fill("3")
        assert figures(page, "data")[-1] == figure(sum((x.data if x.data != 0.07 else 3.0) ** 2 for x in values))


# ---- graphs that the browser cannot compute again ------------------------------------------------------------------


def by_hand() -> Value:
    x = Value(3.0, label="x")
    out = Value(9.0, (x,), "square")

    def backward() -> None:
        x.grad += 6.0 * out.grad

    out._backward = backward
    return out * 2


def decided_in_python() -> Value:
    x = Value(2.5, label="x")
    return autograd.where(x.data > 0, x * 2, x) * 3


@pytest.mark.browser
@pytest.mark.parametrize("make", [by_hand, decided_in_python])
def test_no_sliders_where_it_cannot_be_computed_again(browser: Any, make: Callable[[], Value]) -> None:
    graph = snapshot(make())
    with opened(browser, play(graph).html) as page:
        assert page.locator(".leaf-row").count() == 0
        assert "No sliders here:" in page.locator(".leaf-card").inner_text()
        for step in range(-1, len(ledger(graph)) + 1):
            assert figures(page, "grad") == grads_at(graph, step)
            press(page, "ArrowRight")
        page.locator("[data-node='0']").hover()
        assert page.locator(".proof").count() == 0
        page.locator(".go-to").select_option(label="x")
        reason = page.locator(".leaf-card .soft").inner_text().removeprefix("No sliders here: ")
        assert page.locator(".no-proof").inner_text() == f"There is none here: {reason}"


@pytest.mark.browser
@pytest.mark.parametrize("kind", [Fraction, complex])
def test_exact_numbers_are_shown_as_python_writes_them(browser: Any, kind: Callable[[int], Any]) -> None:
    x, y = Value(kind(1) / 3, label="x"), Value(kind(2) / 7, label="y")
    z = (x * y + x) / y
    z.label = "z"
    graph = snapshot(z * z)
    with opened(browser, play(graph).html) as page:
        assert page.locator(".leaf-row").count() == 0
        assert "floats only" in page.locator(".leaf-card").inner_text()
        assert figures(page, "data") == [figure(node.data) for node in graph.nodes]
        for (_, row), step in zip(enumerate(ledger(graph)), range(1, 99), strict=False):
            scrub(page, step)
            assert figures(page, "grad") == grads_at(graph, step)
            assert figure(row.contribution) in arithmetic(page)
        page.locator(f"[data-node='{label_id(z * z, 'y')}']").hover()
        assert "4 paths" in page.locator(".node-card").inner_text()
        expected = [figure(way.product) for way in paths(graph, graph.nodes[label_id(z * z, "y")])]
        assert [re.split(" = ", text)[-1] for text in page.locator(".routes li").all_inner_texts()] == expected
        assert "There is none here: " in page.locator(".no-proof").inner_text()


@pytest.mark.browser
def test_more_exact_paths_than_are_listed(browser: Any) -> None:
    x = Value(Fraction(1, 3), label="x")
    y = x
    for _ in range(5):
        y = y * 2 + y * Fraction(1, 2)
    graph = snapshot(y)
    told_of = paths(graph, graph.nodes[label_id(y, "x")], most=8)
    with opened(browser, play(y).html) as page:
        page.locator(".go-to").select_option(label="x")
        assert f"24 other paths: {figure(told_of.rest)}" in page.locator(".node-card").inner_text()
        assert f"= {figure(told_of[0].product)}" in page.locator(".routes li").first.inner_text()


def test_a_choice_is_named_once() -> None:
    x = Value(2.5, label="x")
    unnamed, named = autograd.where(x.data > 0, x * 2, x), autograd.where(x.data > 0, x * 2, x)
    named.label = "larger"
    assert told(snapshot(unnamed))["graph"]["refusal"].startswith("where is a choice that does not look")
    assert told(snapshot(named))["graph"]["refusal"].startswith("larger (where) is a choice that does not look")


def test_an_unnamed_result_goes_by_its_expression_or_without() -> None:
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    assert play(a / b).title == "The backward sweep of a/b"
    assert play(a - b).title == "The backward sweep of a − b"
    assert play(chain(40)).title == "The backward sweep"
    assert play(lecture()).title == "The backward sweep of L"
    assert play(a).title == "The backward sweep of a"


def test_the_legend_tells_marks_where_there_are_some() -> None:
    assert "the node with this number" in play(varied()).html
    assert "the node with this number" not in play(lecture()).html
    assert "swept: carried nothing" in play(lecture()).html


@pytest.mark.browser
def test_an_exact_choice_carries_nothing_to_what_it_did_not_choose(browser: Any) -> None:
    x, y = Value(Fraction(1, 3), label="x"), Value(Fraction(2, 7), label="y")
    root = autograd.maximum(x, y) * 3
    with opened(browser, play(root).html) as page:
        written = []
        for _ in range(5):
            press(page, "ArrowRight")
            written.append(arithmetic(page))
        assert sum("did not choose y" in text for text in written) >= 1
        assert not any("did not choose x" in text for text in written)
        assert figures(page, "grad")[label_id(root, "y")] == "0"


@pytest.mark.browser
def test_data_changed_after_the_forward_pass_turns_the_sliders_off(browser: Any) -> None:
    a = Value(2.0, label="a")
    y = a * a
    a.data = 5.0
    with opened(browser, play(y).html) as page:
        assert page.locator(".leaf-row").count() == 0
        assert "recorded" in page.locator(".leaf-card").inner_text()
        press(page, "End")
        assert figures(page, "grad") == grads_at(snapshot(y), 2)


@pytest.mark.browser
def test_a_network_folded_and_whole(browser: Any) -> None:
    root = random_free_mlp(16, 16, 1)
    grads = {x.label: g for x, g in zip(leaves(root), autograd.gradients(root, leaves(root)), strict=True)}
    for fold in ("neuron", "atomic"):
        player = play(root, fold=fold)
        graph = player.graph
        with opened(browser, player.html) as page:
            press(page, "End")
            shown = figures(page, "grad")
            for label, grad in grads.items():
                id = next(node.id for node in graph.nodes if node.label == label)
                assert shown[id] == figure(grad)
            assert (page.locator(".leaf-row").count() == 2) == (fold == "neuron")
            if fold == "neuron":
                assert page.locator("[data-node].group").count() == 33
                press(page, "Home")
                for step in range(-1, 20):
                    assert figures(page, "grad") == grads_at(graph, step)
                    press(page, "ArrowRight")


def leaves(root: Value) -> list[Value]:
    return [x for x in autograd.topological_sort(root) if x.label in ("x1", "x2")]


# ---- a folded graph moves ------------------------------------------------------------------------------------------


def folded_network(data: dict[str, float] | None = None, fold: Any = "neuron", *, activation: str = "tanh") -> Snapshot:
    """An MLP 2-16-16-1 at other numbers, by part and label; folded."""
    model = MLP(2, [16, 16, 1], activation=activation, rng=random.Random(3))
    xs = [Value(0.7, label="x1"), Value(-1.3, label="x2")]
    whole = snapshot(model(xs))
    if data:
        root = model(xs)
        leaves = [x for x in autograd.topological_sort(root) if not x.parents]
        named = [f"{node.part}.{node.label}".lstrip(".") for node in snapshot(root).nodes if not node.edges]
        for leaf, name in zip(leaves, named, strict=True):
            leaf.data = data.get(name, leaf.data)
        whole = snapshot(model(xs))
    return folded(whole, fold)


def exactly(page: Any, name: str, value: float) -> None:
    page.get_by_label(f"{name}, exactly").fill(str(value))


def check_folded(page: Any, graph: Snapshot, step: int) -> None:
    """Every number on the drawing, compared with Python's of a graph made there, and Python's with the engine's."""
    assert figures(page, "data") == [figure(node.data) for node in graph.nodes]
    assert figures(page, "grad") == grads_at(graph, step)
    slopes = {f"{n.id}.{i}": edge.local for n in graph.nodes for i, edge in enumerate(n.edges)}
    if len(graph.nodes) < 30:  # of many edges the drawing does not show the numbers
        assert numbers_on_edges(page) == {k: "" if x is None else figure(x) for k, x in slopes.items()}
    still = page.locator(".edge.still").evaluate_all("all => all.map(g => g.dataset.edge)")
    assert set(still) == {f"{n.id}.{i}" for n in graph.nodes for i, e in enumerate(n.edges) if not e.carries}
    if step > 0:
        assert arithmetic(page).endswith(f"= {figure(ledger(graph)[step - 1].grad_after)}")


@pytest.mark.browser
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_folded_network_moves(browser: Any, activation: str) -> None:
    graph = folded_network(activation=activation)
    last = len(ledger(graph))
    data: dict[str, float] = {}
    with opened(browser, play(graph).html) as page:
        for step, part, name, value in (
            (last, "", "x1", -0.45),
            (last // 2, "layers.0.neurons.3", "w[1]", 1.75),
            (-1, "layers.1.neurons.12", "w[10]", -2.5),
            (last, "layers.1.neurons.5", "b", 0.8),
            (40, "layers.2.neurons.0", "w[15]", 3.0),
            (last, "", "x2", 2.25),
        ):
            if part:
                page.locator(".go-to").select_option(label=part)
                count = 3 if part.startswith("layers.0") else 17
                names = page.locator(".part-sliders .who").all_inner_texts()
                assert names == ["b", *[f"w[{i}]" for i in range(count - 1)]]
            scrub(page, step)
            exactly(page, name, value)
            data[f"{part}.{name}".lstrip(".")] = value
            moved = folded_network(data, activation=activation)
            check_folded(page, moved, step)
            assert page.locator(".warning").inner_text() == ""
            if part:  # the proof is of the parameter that was moved
                whole = moved.whole
                assert whole is not None
                root = next(node for node in swept(whole).nodes if (node.part, node.label) == (part, name))
                card = page.locator(".node-card").inner_text()
                assert f"({name} + h)" in card
                quotient, gradient = [
                    float(row.split("\t")[1].replace("−", "-"))
                    for row in page.locator(".proof tr").all_inner_texts()[2:]
                ]
                assert gradient == pytest.approx(root.grad, rel=1e-9)
                assert quotient == pytest.approx(root.grad, rel=1e-5, abs=1e-9)
                group = next(node for node in swept(moved).nodes if node.label == part)
                assert f"/∂{group.name} = {figure(group.grad)}" in card


@pytest.mark.browser
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_small_folded_network_moves_with_the_numbers_on_its_edges(browser: Any, activation: str) -> None:
    model = MLP(2, [4, 2, 1], activation=activation, rng=random.Random(5))
    xs = [Value(0.7, label="x1"), Value(-1.3, label="x2")]
    graph = folded(snapshot(model(xs)), "neuron")
    with opened(browser, play(graph).html) as page:
        for layer, neuron, weight, value in ((0, 2, 1, 1.5), (1, 0, 3, -2.0), (2, 0, 1, 0.25), (0, 1, 0, 3.0)):
            name = f"layers.{layer}.neurons.{neuron}"
            page.locator(".go-to").select_option(label=name)
            exactly(page, f"w[{weight}]", value)
            exactly(page, "x2", value - 1)
            model.layers[layer].neurons[neuron].w[weight].data = value
            xs[1].data = value - 1
            moved = folded(snapshot(model(xs)), "neuron")
            for step in (-1, 7, len(ledger(graph))):
                scrub(page, step)
                check_folded(page, moved, step)


@pytest.mark.browser
def test_the_gradients_of_a_folded_network_are_the_engines(browser: Any) -> None:
    graph = folded_network()
    with opened(browser, play(graph).html) as page:
        exactly(page, "x1", -0.45)
        page.locator(".go-to").select_option(label="layers.0.neurons.3")
        exactly(page, "w[1]", 1.75)
        press(page, "Escape")
        scrub(page, len(ledger(graph)))
        moved = folded_network({"x1": -0.45, "layers.0.neurons.3.w[1]": 1.75})
        assert moved.whole is not None
        whole = swept(moved.whole)
        grads = [whole.nodes[node.of or 0].grad for node in moved.nodes]
        assert figures(page, "grad") == [figure(grad) for grad in grads]


@pytest.mark.browser
def test_a_slider_of_a_folded_part_stays_while_it_is_used(browser: Any) -> None:
    graph = folded_network()
    with opened(browser, play(graph).html, height=1400) as page:
        page.locator(".go-to").select_option(label="layers.1.neurons.0")
        slider = page.get_by_role("slider", name="w[3]", exact=True)
        before = slider.input_value()
        slider.focus()
        assert "y(" not in page.locator(".proof").inner_text() and "(w[3] + h)" in page.locator(".proof").inner_text()
        press(page, "ArrowRight", 3)
        assert slider.input_value() != before
        page.locator("[data-node].leaf").first.hover()  # another node is looked at, the slider stays
        assert page.evaluate("document.activeElement.ariaLabel") == "w[3]"
        page.get_by_role("button", name="Back to the first w[3]").click()
        scrub(page, 20)
        check_folded(page, graph, 20)
        page.locator("h1").click()
        press(page, "Escape")
        assert page.locator(".part-sliders .leaf-row").count() == 0


@pytest.mark.browser
def test_a_whole_model_folded_to_one_node(browser: Any) -> None:
    data = {"layers.1.neurons.2.w[1]": 0.75}
    graph = folded_network(fold="model")
    with opened(browser, play(graph).html) as page:
        page.locator("[data-node].group").click()
        assert page.locator(".part-sliders .leaf-row").count() == 24
        page.get_by_text("313 more leaves").click()
        until(page, "document.querySelectorAll('.part-sliders .leaf-row').length === 337")
        exactly(page, "layers.1.neurons.2.w[1]", 0.75)
        scrub(page, 2)
        check_folded(page, folded_network(data, "model"), 2)


@pytest.mark.browser
def test_a_choice_in_a_folded_part(browser: Any) -> None:
    def make(x: float, y: float) -> Snapshot:
        larger = scoped(lambda x, y: autograd.maximum(x * 2.0, y) + x)
        root = larger(Value(x, label="x"), Value(y, label="y")) * 3
        return folded(snapshot(root), "model")

    graph = make(1.0, 5.0)
    with opened(browser, play(graph).html) as page:
        for x, y in ((1.0, 5.0), (4.0, 5.0), (4.0, 9.0), (math.inf, 1.0)):
            exactly(page, "x", x)
            exactly(page, "y", y)
            moved = make(x, y)
            for step in range(-1, len(ledger(moved)) + 1):
                scrub(page, step)
                check_folded(page, moved, step)


@pytest.mark.browser
def test_infinities_that_folding_makes_others_of_are_told(browser: Any) -> None:
    """The slope of the part is too large for a float; the whole graph multiplies one after another, by 1e-300 first."""

    part = scoped(lambda x, y: (x * y) * y)
    root = part(Value(1e-200, label="x"), Value(1.0, label="y")) * 1e-300
    with opened(browser, play(folded(snapshot(root), "model")).html) as page:
        assert page.locator(".warning").inner_text() == ""
        exactly(page, "y", 1e200)
        assert "in the whole graph the gradient of x is 1.000e100." in page.locator(".warning").inner_text()
        exactly(page, "y", 2.0)
        assert page.locator(".warning").inner_text() == ""


@pytest.mark.browser
def test_wrong_slopes_of_a_folded_part_turn_the_sliders_off(browser: Any) -> None:
    graph = folded_network()
    nodes = list(graph.nodes)
    group = next(node for node in nodes if node.kind == "group")
    for edges in (
        (group.edges[0]._replace(local=group.edges[0].local * (1 + 1e-8)), *group.edges[1:]),
        (group.edges[0]._replace(carries=False), *group.edges[1:]),
    ):
        nodes[group.id] = group._replace(edges=edges)
        with opened(browser, play(graph._replace(nodes=tuple(nodes))).html) as page:
            assert page.locator(".leaf-row").count() == 0
            assert f"The sliders are off: at {group.name}" in page.locator(".leaf-card").inner_text()


@pytest.mark.browser
def test_a_slider_of_a_folded_network_is_quick(browser: Any) -> None:
    """Under 50 ms a move; the bound here is loose, for a machine that is busy."""
    with opened(browser, play(folded_network()).html) as page:
        page.locator(".go-to").select_option(label="layers.1.neurons.0")
        took = page.evaluate(
            """() => { const range = document.querySelector('.part-sliders input[type=range]');
               const start = performance.now();
               for (let i = 0; i < 20; i++) {
                 range.value = 0.1 * i;
                 range.dispatchEvent(new Event('input', {bubbles: true}));
                 document.body.getBoundingClientRect();
               }
               return (performance.now() - start) / 20; }"""
        )
        print(f"{took:.1f} ms a move")
        assert took < 200


def test_a_folded_graph_is_told_with_the_whole_one() -> None:
    graph = folded_network()
    assert graph.whole is not None
    found = told(graph)
    assert len(found["graph"]["nodes"]) == 35
    assert len(found["graph"]["whole"]["nodes"]) == len(graph.whole.nodes)
    assert len(found["hidden"]) == 337
    whole = told(graph.whole)
    assert (whole["hidden"], "whole" in whole["graph"], "of" in whole["graph"]["nodes"][0]) == ({}, False, False)
    assert all("carries" not in node for node in whole["graph"]["nodes"])


@pytest.mark.browser
@pytest.mark.parametrize("fold", ["neuron", "model", "atomic"])
def test_what_a_dead_neuron_hands_on_is_zero_at_every_fold(browser: Any, fold: str) -> None:
    """What follows has an infinite slope at 0; a choice that was not taken still sends exactly 0."""

    def make(x: float, after: Callable[[Value], Value]) -> Value:
        neuron = Neuron(2, rng=random.Random(2))
        xs = [Value(x, label="x1"), Value(0.5, label="x2")]
        return after(neuron(xs)) + xs[0]

    weight = Neuron(2, rng=random.Random(2)).w[0].data
    dead, alive = -math.copysign(9.0, weight), math.copysign(9.0, weight)
    for after in (Value.sqrt, Value.log, lambda x: x**0.5):
        root = make(dead, after)
        root.backward()
        grads = {x.label: x.grad for x in autograd.topological_sort(root)}
        assert (grads["x1"], grads["x2"]) == (1.0, 0.0)
        graph = folded(snapshot(root), fold)
        with opened(browser, play(graph).html) as page:
            for x in (dead, alive, dead):
                exactly(page, "x1", x)
                moved = folded(snapshot(make(x, after)), fold)
                last = len(ledger(moved))
                scrub(page, last)
                check_folded(page, moved, last)
                assert page.locator(".warning").all_inner_texts() == [""]
            for name, grad in (("x1", "1.000"), ("x2", "0.000")):
                scrub(page, 0)
                scrub(page, last)
                assert figures(page, "grad")[label_id_of(graph, name)] == grad
                page.locator(".go-to").select_option(label=name)
                assert page.locator(".total").inner_text().endswith(f"= {grad}")
                assert "NaN" not in page.locator(".node-card .routes").inner_text()


def label_id_of(graph: Snapshot, label: str) -> int:
    return next(node.id for node in graph.nodes if node.label == label)


# ---- the page among others -----------------------------------------------------------------------------------------


@pytest.mark.browser
def test_three_players_in_frames_on_one_page(browser: Any) -> None:
    players = [play(lecture()), play(varied()), play(lecture(a=7.0))]
    cells = "".join(embedded(player.html, player.picture.svg, 700, player.title) for player in players)
    with opened(browser, f"<!doctype html><body>{cells}</body>") as page:
        until(page, "document.querySelectorAll('iframe').length === 3")
        for i, player in enumerate(players):
            frame = page.frame_locator("iframe").nth(i)
            frame.locator(".count", has_text="before").wait_for()  # its script has run
            frame.get_by_role("button", name="To the end").press("Enter")  # no click: the frame may still be moving
            last = len(ledger(player.graph))
            frame.locator(".count", has_text=re.compile(f"^step {last} of {last}$")).wait_for()
        assert page.evaluate("document.querySelector('iframe').sandbox.value") == "allow-scripts"


@pytest.mark.browser
def test_three_players_in_one_document(browser: Any) -> None:
    pages = [play(lecture()).html, play(varied()).html, play(lecture()).html]
    head = pages[0].split("<body>")[0]
    bodies = [page.split("<body>")[1].split("</body>")[0] for page in pages]
    with opened(browser, f"{head}<body>{''.join(bodies)}</body></html>") as page:
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(x => x.id)")
        assert len(ids) == len(set(ids)) >= 3
        page.locator(".scrub").nth(1).focus()
        press(page, "ArrowRight", 3)
        assert page.locator(".count").all_inner_texts()[0] == "before the sweep"
        assert page.locator(".count").all_inner_texts()[1].startswith("step 2 of")
        page.evaluate("document.activeElement.blur()")
        press(page, "ArrowRight")  # whose would it be?
        assert page.locator(".count").all_inner_texts()[2] == "before the sweep"
        ours = page.evaluate("Object.keys(window).filter(x => /autograd|player|graph|forward|sweep|RULES/i.test(x))")
        assert ours == []


@pytest.mark.browser
def test_hostile_labels_stand_there_as_text(browser: Any) -> None:
    values = [Value(float(i + 1), label=label) for i, label in enumerate(HOSTILE)]
    root = autograd.sum([x * x for x in values])
    root.label = HOSTILE[0]
    with opened(browser, play(root).html) as page:
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        for _ in range(14):
            press(page, "ArrowRight")
        for x in values:
            page.locator(".go-to").select_option(str(label_id(root, x.label)))
        assert page.locator("main script").count() == 2
        assert "<script>alert(1)</" in page.locator(".node-card").inner_text()
        assert "<script>alert" in page.locator("h1").inner_text()
        assert dialogs == []


# ---- how it looks, and for whom ------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("make", [lecture, varied, lambda: random_free_mlp(16, 16, 1)])
def test_at_phone_width_only_the_drawing_scrolls(browser: Any, make: Callable[[], Value]) -> None:
    graph = play(make()).graph
    with opened(browser, play(make()).html, width=390, height=800, reduced_motion="reduce") as page:
        for step in (-1, 0, 1, len(ledger(graph)) // 2, len(ledger(graph))):
            scrub(page, step)
            page.wait_for_timeout(30)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert page.evaluate("[scrollX, scrollY]") == [0, 0]
            if step >= 0:
                inside = page.evaluate(
                    """() => { const box = document.querySelector('.takes').getBoundingClientRect(),
                       stage = document.querySelector('.stage').getBoundingClientRect();
                       const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
                       return stage.left < x && x < stage.right && stage.top < y && y < stage.bottom }"""
                )
                assert inside, step
        page.locator(".go-to").select_option(
            str(graph.nodes[0].id if graph.nodes[0].kind != "constant" else graph.root.id)
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_it_opens_at_the_result_and_fades_where_it_goes_on(browser: Any, direction: str) -> None:
    inside = """() => { const box = document.querySelector('[data-node="ID"]').getBoundingClientRect(),
       stage = document.querySelector('.stage').getBoundingClientRect();
       return stage.left <= box.left && box.right <= stage.right && stage.top <= box.top && box.bottom <= stage.bottom }"""
    player = play(random_free_mlp(3, 1), direction=direction)
    with opened(browser, player.html, width=390, reduced_motion="reduce") as page:
        until(page, f"({inside.replace('ID', str(player.graph.root.id))})()")
        sides = {side for side in ("left", "right", "top", "bottom") if page.locator(f".view.more-{side}").count()}
        away = {"LR": "left", "RL": "right", "TB": "top", "BT": "bottom"}
        assert away[direction] in sides
        assert away[{"LR": "RL", "RL": "LR", "TB": "BT", "BT": "TB"}[direction]] not in sides
    with opened(browser, play(Value(1.0, label="x").tanh()).html) as page:
        assert page.locator("[class*=more-]").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_light_and_dark(browser: Any, theme: str) -> None:
    html = play(lecture(), theme=theme).html
    for scheme in ("light", "dark"):
        with opened(browser, html, color_scheme=scheme) as page:
            dark = theme == "dark" or (theme == "auto" and scheme == "dark")
            for selector, property in ((".autograd-player", "backgroundColor"), (".stage svg .paper", "fill")):
                colour = page.locator(selector).first.evaluate(
                    "(x, property) => getComputedStyle(x)[property]", property
                )
                assert colour == ("rgb(15, 23, 42)" if dark else "rgb(255, 255, 255)"), (selector, scheme)


@pytest.mark.browser
def test_for_screen_readers(browser: Any) -> None:
    root = lecture()
    graph = snapshot(root)
    ids = {node.label: node.id for node in graph.nodes}
    with opened(browser, play(root).html) as page:
        box = page.locator(f"[data-node='{ids['d']}']")
        assert box.get_attribute("aria-label") == "d, operation *, data −6.000, gradient not computed yet"
        press(page, "End")
        page.wait_for_timeout(50)
        grad = figure(swept(graph).nodes[ids["d"]].grad)
        assert box.get_attribute("aria-label") == f"d, operation *, data −6.000, gradient {grad}"
        said = page.locator("[aria-live=polite]")
        assert said.inner_text().startswith("Step 6 of 6: d hands to ")
        assert (
            f"the gradient of {ledger(root)[-1].parent} is now {figure(ledger(root)[-1].grad_after)}, complete."
            in said.inner_text()
        )
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, [role=link], [role=group]')]
               .filter(x => !x.hidden && !x.ariaLabel && !x.textContent.trim() && !x.closest('label'))
               .map(x => x.outerHTML)"""
        )
        assert unnamed == []
        press(page, "Home")
        page.evaluate(
            "window.said = 0; new MutationObserver(() => said++).observe(document.querySelector('.live'), {childList: true})"
        )
        page.locator(".speed").select_option("10")
        page.locator(".play").click()
        until(page, "!document.querySelector('.playing')")
        page.wait_for_timeout(50)
        assert page.evaluate("said") <= 3
        assert said.inner_text().startswith("Step 6 of 6")


@pytest.mark.browser
def test_everything_by_keyboard(browser: Any) -> None:
    with opened(browser, play(lecture()).html) as page:
        seen = []
        for _ in range(40):
            press(page, "Tab")
            seen.append(page.evaluate("document.activeElement.dataset.node ?? document.activeElement.className"))
            if seen[-1] and "data-node" not in seen[-1]:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none" or seen[-1].isdecimal()
        assert {str(i) for i in range(8)} <= set(seen)
        assert {"skip", "play", "scrub", "speed", "go-to"} <= set(seen)
        page.locator(".skip").focus()
        press(page, "Enter")
        assert page.evaluate("document.activeElement.dataset.do") == "play"
        press(page, "ArrowRight", 2)
        assert page.locator(".scrub").input_value() == "1"


@pytest.mark.browser
def test_motion_can_be_off(browser: Any) -> None:
    for motion, animation in (("no-preference", "autograd-back"), ("reduce", "none")):
        with opened(browser, play(lecture()).html, reduced_motion=motion) as page:
            press(page, "ArrowRight", 3)
            assert page.locator(".edge.active .line").evaluate("x => getComputedStyle(x).animationName") == animation


@pytest.mark.browser
def test_sixty_steps_a_second(browser: Any) -> None:
    """On 300 nodes; the bound here is loose, for a machine that is busy."""
    root = chain(300)
    with opened(browser, play(root).html) as page:
        took = page.evaluate(
            """() => new Promise(done => {
                 const start = performance.now();
                 document.querySelector('.speed').value = '60';
                 document.querySelector('[data-do=play]').click();
                 const wait = () => document.querySelector('.scrub').value >= 120
                   || performance.now() - start > 20000 ? done((performance.now() - start) / 1000) : setTimeout(wait, 0);
                 wait();
               })"""
        )
        assert 120 / took > 20


def test_the_drawing_is_drawn_with_room_for_figures_that_change() -> None:
    narrow = draw(lecture(), engine="layered", legend=False).svg
    width = re.compile(r'viewBox="0 0 (\d+)')
    assert int(width.search(play(lecture()).drawing.svg)[1]) > int(width.search(narrow)[1])  # type: ignore[index]


def test_leaves_changed_after_the_forward_pass_are_said() -> None:
    a = Value(2.0, label="a")
    y = a * a * a
    assert 'class="warning"' not in play(y).html
    a.data = 5.0
    assert '<p class="warning">recorded at other numbers than the leaves hold now' in play(y).html


@pytest.mark.browser
def test_sliders_stand_in_the_drawings_order_in_a_frame_out_of_sight(browser: Any) -> None:
    page_of = html.escape(play(lecture()).html)
    names = "[...document.querySelector('iframe').contentDocument.querySelectorAll('.leaf-card [type=range]')]"
    with opened(
        browser, f'<!doctype html><body><iframe style="display:none" srcdoc="{page_of}"></iframe></body>'
    ) as page:
        until(page, f"{names}.length === 3")
        labels = page.evaluate(f"{names}.map((slider) => slider.getAttribute('aria-label') || slider.title)")
        assert [label[0] for label in labels] == ["a", "b", "c"], labels
