"""The report: whole, self-contained, escaped, true to the network, and the same for the same run."""

import math
import os
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autograd.engine import topological_sort
from nn import MLP, Adam, Dataset, History, Standardizer, fit, half_squared_error, load_digits, softmax_cross_entropy
from nn.report import GENERATOR, Run, chain_of_one_neuron, report_html, write_report

OLD = f"<!DOCTYPE html>{GENERATOR}"
EVIL = "<script>alert('1')</script>&\"b\""
VOID = {"meta", "link", "br", "img", "hr", "input"}
SHAPES = {"path", "circle", "line", "polyline", "rect", "use", "stop"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def a_run(names: tuple[str, ...] = ("a", "b", "c"), interrupted: bool = False, epochs: int = 2) -> Run:
    rng = random.Random(0)
    rows = [[rng.gauss(k, 0.8), rng.gauss(-k, 0.8)] for k in range(3) for _ in range(8)]
    data = Dataset(EVIL, rows, [k for k in range(3) for _ in range(8)], (EVIL, "y"), EVIL, names, (EVIL,))
    model = MLP(2, [5, 3], activation="tanh", rng=rng)
    history = (
        fit(model, rows, data.targets, epochs=epochs, rng=rng, validation=(rows, data.targets), progress=False)
        if epochs
        else History()
    )
    history.interrupted = interrupted
    return Run(model, history, data, data, prepare=list, command="python -m nn", settings={EVIL: EVIL})


def a_regression() -> Run:
    rng = random.Random(0)
    rows = [[x / 10] for x in range(-20, 20)]
    targets = [row[0] ** 2 for row in rows]
    data = Dataset("squares", rows, targets, ("x",), EVIL)
    model = MLP(1, [6, 1], activation="tanh", rng=rng)
    scaled = [(t - 1.0) / 2.0 for t in targets]
    history = fit(
        model,
        rows,
        scaled,
        loss=half_squared_error,
        optimizer=Adam(model.parameters(), lr=0.05),
        epochs=30,
        rng=rng,
        progress=False,
    )
    return Run(model, history, data, data, prepare=list, scale=Standardizer((1.0,), (2.0,)))


@pytest.mark.parametrize(
    "run",
    [
        a_run,
        lambda: a_run(names=(EVIL, "b", "c")),
        lambda: a_run(interrupted=True, epochs=0),
        a_regression,
    ],
    ids=["classes", "evil names", "interrupted at once", "regression"],
)
def test_page_is_whole_self_contained_and_escaped(run: Any) -> None:
    html = report_html(run())
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"(?:src|href)=|url\((?!#)|@import", html)
    assert EVIL in page.text
    assert "prefers-color-scheme" in html
    assert "The chain rule of one neuron" in page.text
    assert not re.search(r"\bnan\b", page.text)


def test_same_run_same_bytes() -> None:
    one, two = (re.sub(r"graph-\d+-", "graph-", report_html(a_run())) for _ in range(2))  # drawings count on
    assert one == two


def test_digits_are_drawn_and_mistakes_marked() -> None:
    digits = load_digits().take(range(40))
    model = MLP(64, [10], init="zeros")  # all scores 0: it takes everything for a 0
    run = Run(model, History(), digits, digits, prepare=list, image=(8, 16.0))
    html = report_html(run)
    wrong = sum(target != 0 for target in digits.targets)
    assert run.accuracy == 1 - wrong / 40
    shown = html.split("mistakes</h3>")
    assert shown[0].count('<figure class="wrong">') == wrong
    assert shown[1].split("</section>")[0].count('<figure class="wrong">') == 24
    assert shown[0].count("<figure>") == 40 - wrong
    assert f"The first 24 of {wrong} mistakes" in html
    assert "<small>10.0 %</small>" in html


def test_confusion_counts() -> None:
    run = a_run()
    html = report_html(run)
    table = html.split('class="confusion"')[1].split("<tbody>")[1]
    cells = re.findall(r"<td(?: class=strong)?(?: style=\"[^\"]*\")?>(\d*)</td>", table)
    counts = [int(cell or 0) for cell in cells[:9]]
    assert sum(counts) == 24
    assert sum(counts[::4]) == round(24 * run.accuracy)


def test_regression_figures() -> None:
    run = a_regression()
    deviation, r_squared = run.errors
    truths, mean = run.test.targets, math.fsum(run.test.targets) / 40
    squared = math.fsum((p - t) ** 2 for p, t in zip(run.predictions, truths, strict=True))
    assert math.isclose(deviation, math.sqrt(squared / 40))
    assert math.isclose(r_squared, 1 - squared / math.fsum((t - mean) ** 2 for t in truths))
    assert r_squared > 0.8


def test_one_neuron_has_the_numbers_of_the_whole_network() -> None:
    model = MLP(4, [6, 3], activation="tanh", rng=random.Random(3))
    inputs = [0.5, -1.0, 2.0, 0.25]
    whole = softmax_cross_entropy(model(inputs), 1)
    whole.backward()
    small = chain_of_one_neuron(model, inputs, 1, classify=True)
    assert math.isclose(small.data, whole.data, rel_tol=1e-12)
    nodes, stack = {}, [small]
    while stack:
        node = stack.pop()
        nodes[node.label] = node
        stack += node.parents
    weights = {label: node for label, node in nodes.items() if label[0] == "w" and not node.parents}
    assert len(weights) == 3
    for label, node in weights.items():
        k = "₀₁₂₃₄₅".index(label[1])
        original = model.layers[1].neurons[1].w[k]
        assert node.data == original.data
        assert math.isclose(node.grad, original.grad, rel_tol=1e-12)
    bias = model.layers[1].neurons[1].b
    assert bias is not None
    assert math.isclose(nodes["rest"].grad, bias.grad, rel_tol=1e-12)


@pytest.mark.parametrize("sizes", [[1], [2], [3, 1], [1, 2]])
def test_one_neuron_of_small_networks(sizes: list[int]) -> None:
    model = MLP(2, sizes, activation="tanh", rng=random.Random(0), bias=False)
    classify = sizes[-1] > 1
    root = chain_of_one_neuron(model, [1.0, 2.0], 1, classify=classify)
    out = model([1.0, 2.0])
    expected = softmax_cross_entropy(out, 1) if classify else half_squared_error(out, 1)
    assert math.isclose(root.data, expected.data, rel_tol=1e-12)


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text(OLD)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write_report(path, a_run())
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]
    assert write_report(path, a_run()) == str(path)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]
    other = tmp_path / "other"
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "<!DOCTYPE html><title>mine</title>"])
def test_what_is_no_report_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine"
    path.write_text(text)
    link = tmp_path / "link.html"
    link.symlink_to(path)
    for place in (path, link, tmp_path / ".." / tmp_path.name / "mine"):
        with pytest.raises(FileExistsError, match=r"is not a report of ours.*give another name"):
            write_report(place, a_run())
    assert path.read_text() == text
    assert link.is_symlink()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_report(tmp_path, a_run())
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_report(tmp_path / "no" / "report.html", a_run())


def test_regression_chain_names_every_step() -> None:
    model = MLP(2, [3, 1], activation="tanh", rng=random.Random(0))
    root = chain_of_one_neuron(model, [1.0, 2.0], -0.75, classify=False)
    labels = {}
    for node in topological_sort(root):
        labels |= {part.label: part.data for part in (node, *node.parents)}
    assert labels.pop("") == 2  # of ½ error²; it needs no name
    assert {"loss", "error²", "error", "output", "target", "rest", "w₀", "h₀", "w₀h₀"} <= set(labels)
    assert labels["target"] == -0.75
    assert labels["error"] == labels["output"] + 0.75


def test_one_mistake_is_said_in_the_singular() -> None:
    digits = load_digits().take([0, 1])
    run = Run(MLP(64, [10], init="zeros"), History(), digits, digits, prepare=list, image=(8, 16.0))
    assert "<h3>1 mistake</h3>" in report_html(run)
