"""The explorer: its Python side without a browser, and its page in Chromium with a stand-in for the notebook's model."""

import ast
import builtins
import contextlib
import gc
import inspect
import json
import math
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import traitlets
from browser import opened

from autograd import Value, gradients
from autograd.drawing import explore, sliders, widget
from autograd.drawing.curves import Point, curves_svg, is_jump, limits, steps, ticks
from autograd.drawing.sliders import slider


def f(a: Value, b: Value) -> Value:
    return (a * b).tanh() if a.data > 0 else a * a + b


# ---- Python's side -------------------------------------------------------------------------------------------------


def test_it_follows_its_arguments() -> None:
    found = explore(f, a=(-3, 3), b=2.0)
    assert (found.a, found.b, found.value, found.gradients, found.error) == (0.0, 2.0, 2.0, {"a": 0.0, "b": 1.0}, "")
    seen = []
    found.observe(lambda change: seen.append((change.name, change.new)), ["value", "a"])
    found.a = 1  # Python's `if` decides anew
    assert found.value == math.tanh(2.0)
    assert found.root.rule.name == "tanh"
    assert sorted(seen) == [("a", 1.0), ("value", math.tanh(2.0))]
    a, b = Value(1.0), Value(2.0)
    assert list(found.gradients.values()) == gradients(f(a, b), [a, b])
    assert "f(a = 1.000, b = 2.000): 0.9640" in repr(found)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((-3, 3), (-3.0, 3.0, 0.0, True)),
        ([0, 10, 1], (0.0, 10.0, 1.0, True)),
        (2.0, (-2.0, 6.0, 2.0, False)),
        (-2, (-6.0, 2.0, -2.0, False)),
        (0, (-1.0, 1.0, 0.0, False)),
    ],
)
def test_what_an_argument_may_be(given: Any, expected: tuple[Any, ...]) -> None:
    assert slider("a", given) == expected


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((3, 1), ValueError, "is no range"),
        ((1, 1), ValueError, "is no range"),
        ((0, 1, 2), ValueError, "starts at 2, which is not between 0 and 1"),
        ((0, math.inf), ValueError, "a takes finite numbers, got inf"),
        (math.nan, ValueError, "a takes finite numbers"),
        ("x", TypeError, "a takes plain numbers, got 'x' of type str"),
        (True, TypeError, "of type bool"),
        (Value(1.0), TypeError, "of type Value"),
        ((1,), TypeError, r"\(low, high\) or \(low, high, start\)"),
        ((1, 2, 3, 4), TypeError, r"\(low, high\)"),
    ],
)
def test_what_it_may_not_be(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explore(lambda a: a, a=given)


def test_calls_that_cannot_work_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="takes a function"):
        explore(3, a=(0, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs an argument to move"):
        explore(f)
    with pytest.raises(TypeError, match=r"f cannot be called with a: missing .*'b'"):
        explore(f, a=(0, 1))
    with pytest.raises(ValueError, match="has 'value' of its own"):
        explore(lambda value: value, value=(0, 1))
    assert explore(lambda **given: given["x"] * 2, x=1.0).value == 2.0


@pytest.mark.parametrize("name", ["_f", "_sliders", "_silent", "_answered", "_a"])
def test_names_that_the_widget_keeps_to_itself_are_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"'{name}' begins with '_', .*: give the argument another name, as in explore"
    ):
        explore(lambda **given: given[name] * 2, **{name: (0, 1)})


@pytest.mark.parametrize("name", ["self", "value", "layout", "comm", "keys", "numbers", "log", "observe", "close"])
def test_names_of_the_widgets_own_attributes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"the widget has '{name}' of its own: give the argument another name, as in"):
        explore(lambda **given: given[name] * 2, **{name: (0, 1)})


@pytest.mark.parametrize("name", ["f", "sliders", "arguments", "name", "key", "low", "x_"])
def test_any_other_name_will_do(name: str) -> None:
    found = explore(lambda **given: given[name] * 2, **{name: (0, 1)})
    setattr(found, name, 0.25)
    assert (getattr(found, name), found.value, found.error) == (0.25, 0.5, "")


def test_the_explorer_and_its_widget_are_no_circle() -> None:
    assert "explorer" not in {module.split(".")[-1] for module in imports(widget)}
    assert "widget" not in {module.split(".")[-1] for module in imports(sliders)}


def imports(module: Any) -> set[str]:
    tree = ast.parse(inspect.getsource(module))
    return {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_setting_what_does_not_fit_says_so_and_changes_nothing() -> None:
    found = explore(f, a=(-3, 3), b=2.0)
    for name, x, error, message in (
        ("c", 1.0, AttributeError, "there is no argument 'c': this explorer has a, b"),
        ("a", "x", traitlets.TraitError, "plain numbers, got 'x'"),
        ("a", 4, traitlets.TraitError, "a = 4 is outside its range, -3 to 3"),
        ("a", math.nan, traitlets.TraitError, "finite"),
        ("a", Value(1.0), traitlets.TraitError, "of type Value"),
    ):
        with pytest.raises(error, match=message):
            setattr(found, name, x)
    assert found.a == 0.0


def test_what_goes_wrong_in_f_is_said_and_the_last_picture_stays() -> None:
    def g(a: Value) -> Any:
        if a.data > 2:
            return None
        if a.data > 1:
            return math.sin(a.data)
        return a / 0 if a.data < -1 else (_ for _ in ()).throw(KeyError("no <b>")) if a.data < 0 else a * 2

    found = explore(g, a=(-3, 3, 0.5))
    picture = found.state["picture"]
    for x, message in (
        (-0.5, "g(a = −0.5000) raised KeyError: 'no <b>'"),
        (1.5, "returned 0.997494986604054"),
        (2.5, "returned None of type NoneType, not a Value: does it lack a return?"),
    ):
        found.a = x
        assert message in found.error and message in found.state["message"]
        assert found.state["stale"] and found.state["picture"] == picture
        assert (found.value, found.gradients) == (1.0, {"a": 2.0})
        assert found.state["arguments"][0]["value"] == x
    found.a = -2
    assert found.error == "" and not found.state["stale"]
    assert "g is −∞ here" in found.state["message"]
    assert found.state["picture"] != picture
    found.a = 1
    assert (found.state["message"], found.value) == ("", 2.0)


def test_an_error_at_the_start_is_shown_too() -> None:
    found = explore(lambda a: 1.0, a=(0, 1))
    assert "not a Value" in found.error
    assert found.value is None and found.state["picture"] == ""
    assert "Explorer of f(a = 0.5000): f(a = 0.5000) returned 1.0" in repr(found)


def test_it_touches_no_gradient() -> None:
    w = Value(3.0, label="w")
    w.grad = 7.0
    found = explore(lambda a: a * w, a=(0, 2))
    found.a = 2
    assert w.grad == 7.0
    assert found.gradients == {"a": 3.0}
    assert "2.000" in found.state["picture"] and ">a</" in found.state["picture"]


def test_a_graph_too_large_to_draw_keeps_its_curves() -> None:
    def long(a: Value) -> Value:
        for _ in range(500):
            a = a.sin()
        return a

    found = explore(long, a=(0, 2))
    assert found.state["picture"] == ""
    assert "more than 400 nodes" in found.state["message"]
    assert len(found.state["curves"]) == 1


def test_a_slow_function_gets_fewer_points_or_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = 0.0, 0
    monkeypatch.setattr(sliders, "perf_counter", lambda: clock)

    def lasting(seconds: float) -> Any:
        def slow(a: Value) -> Value:
            nonlocal clock, calls
            clock += seconds
            calls += 1
            return a * 2

        return explore(slow, a=(0, 1))

    assert len(lasting(1 / 64).state["curves"]) == 1
    assert calls == 1 + 16  # as many points as the time is enough for: a quarter of a second
    calls = 0
    found = lasting(1 / 8)
    assert calls == 1
    assert "slow takes too long for curves" in found.state["message"]
    assert found.state["picture"] and not found.state["curves"]


def test_a_function_that_becomes_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = 0.0, 0
    monkeypatch.setattr(sliders, "perf_counter", lambda: clock)

    def slow(a: Value) -> Value:
        nonlocal clock, calls
        clock += 1 / 4 if calls else 1 / 64
        calls += 1
        return a * 2

    found = explore(slow, a=(0, 1))
    assert calls == 1 + 3  # after half a second it gives up
    assert "slow takes too long for curves" in found.state["message"]


def test_nothing_grows() -> None:
    found = explore(lambda a, b: (a * b).tanh() + a, a=(0, 1), b=1.0)
    for i in range(20):
        found.a = i / 20
    gc.collect()
    before = len([x for x in gc.get_objects() if isinstance(x, Value)])
    for i in range(1_000 // 5):
        found.asked = {"serial": i, "numbers": {"a": i / 200}}
    gc.collect()
    assert len([x for x in gc.get_objects() if isinstance(x, Value)]) == before


def test_the_page_asks_for_numbers() -> None:
    found = explore(f, a=(-3, 3), b=2.0)
    drawn = []
    found.observe(lambda change: drawn.append(change.new), "state")
    found.asked = {"serial": 4, "numbers": {"a": 1.0, "b": 3}}
    assert (found.a, found.b, found.value) == (1.0, 3.0, math.tanh(3.0))
    assert len(drawn) == 1 and found.state["answered"] == 4  # drawn once, and answered
    found.asked = {"serial": 5, "numbers": {"a": 99, "b": math.nan, "evil": 1, "_f": 2}}
    assert (found.a, found.b, found.state["answered"]) == (3.0, 3.0, 5)
    for asked in ({}, {"numbers": None}, {"numbers": {"a": "x"}}):
        found.asked = asked
    assert found.a == 3.0
    json.dumps(found.state)


def test_hostile_names_are_text() -> None:
    found = explore(lambda **given: next(iter(given.values())) * 2, **{"<script>": (0, 1)})
    for drawn in (found.state["picture"], *found.state["curves"]):
        ET.fromstring(drawn)
        assert "<script" not in drawn


def test_a_notebook_without_a_kernel_shows_pictures() -> None:
    found = explore(f, a=(-3, 3), b=2.0)
    data, _ = found._repr_mimebundle_()
    assert data["text/html"].count('<img src="data:image/svg+xml;base64,') == 2
    assert data["text/plain"] == repr(found)
    assert "application/vnd.jupyter.widget-view+json" in data


def test_without_anywidget_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "anywidget":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "autograd.drawing.widget", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="pip install anywidget"):
        explore(f, a=(0, 1), b=1.0)


def test_autograd_stays_light() -> None:
    heavy = "{'anywidget', 'ipywidgets', 'traitlets'}"
    code = f"import sys, autograd.drawing; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- the curves ----------------------------------------------------------------------------------------------------


def points(g: Any, slope: Any, low: float = -2.0, high: float = 2.0, count: int = 41) -> list[Point]:
    xs = [low + (high - low) * i / (count - 1) for i in range(count)]
    return [Point(x, g(x), slope(x)) for x in xs]


def test_the_tangent_touches_the_curve() -> None:
    tree = ET.fromstring(curves_svg("f", "a", points(lambda x: x * x, lambda x: 2 * x), Point(1.0, 1.0, 2.0)))
    plots = tree.findall("{*}svg")
    assert len(plots) == 2
    circle = plots[0].find("{*}circle")
    assert circle is not None
    cx, cy = float(circle.attrib["cx"]), float(circle.attrib["cy"])
    curve, _, tangent = [path.attrib["d"] for path in plots[0].findall("{*}path")]
    (x0, y0), (x1, y1) = [tuple(map(float, pair.split())) for pair in tangent[1:].split("L")]
    assert y0 + (y1 - y0) * (cx - x0) / (x1 - x0) == pytest.approx(cy, abs=0.2)
    near = [tuple(map(float, pair.split())) for pair in curve[1:].split("L")]
    here = min(range(len(near)), key=lambda i: abs(near[i][0] - cx))
    assert near[here] == pytest.approx((cx, cy), abs=0.2)
    (left, above), (right, below) = near[here - 1], near[here + 1]
    assert (y1 - y0) / (x1 - x0) == pytest.approx((below - above) / (right - left), rel=0.02)


def test_a_curve_is_broken_where_there_is_no_number_and_where_it_jumps() -> None:
    whole = points(lambda x: x, lambda x: 1.0)
    for y in (math.nan, math.inf):
        broken = [*whole[:20], Point(whole[20].x, y, math.nan), *whole[21:]]
        assert paths_in(curves_svg("f", "a", broken, whole[3])) == paths_in(curves_svg("f", "a", whole, whole[3])) + 2
    step = points(lambda x: x if x < 0.01 else x + 3, lambda x: 1.0)
    assert [is_jump(a, b, step) for a, b in pairwise(step)].count(True) == 1
    steep = points(lambda x: math.tanh(20 * x), lambda x: 20 * (1 - math.tanh(20 * x) ** 2))
    assert not any(is_jump(a, b, steep) for a, b in pairwise(steep))


def paths_in(svg: str) -> int:
    return len(ET.fromstring(svg).findall("{*}svg/{*}path"))


def test_a_pole_does_not_flatten_the_rest() -> None:
    ys = [1 / (x / 100) for x in range(-100, 101) if x]
    low, high = limits(ys, 1.0)
    assert -50 < low < -5 and 5 < high < 50
    for ys in ([], [math.nan], [3.0], [0.0, 0.0], [1e308, -1e308], [5e-324, 0.0], [1e17, 1e17 + 16]):
        low, high = limits(ys, math.nan)
        assert low < high and math.isfinite(high - low)
        assert len(ticks(low, high)) <= 8


@pytest.mark.parametrize(("low", "high"), [(-3, 3), (0, 1), (-0.001, 0.0007), (1e5, 3e5), (-7.3, 11)])
def test_ticks_are_few_and_round(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low <= x <= high and float(f"{x:.3g}") == pytest.approx(x) for x in found)


# ---- the page ------------------------------------------------------------------------------------------------------

MODEL = """
state => {
  const listeners = new Set();
  window.questions = 0;
  window.model = {
    data: { state }, get(key) { return this.data[key]; }, set(key, x) { this.data[key] = x; },
    on(event, listener) { listeners.add(listener); }, off(event, listener) { listeners.delete(listener); },
    async save_changes() {
      window.questions++;
      this.receive(JSON.parse(await window.python(JSON.stringify(this.data.asked))));
    },
    receive(state) {
      this.data.state = state;
      for (const listener of listeners) listener();
      this.seen.push(document.querySelector("input[type=range]").value);
    },
    listeners, seen: [],
  };
  window.end = window.widget.render({ model: window.model, el: document.getElementById("out") });
}
"""


@contextlib.contextmanager
def page_of(browser: Any, found: Any, slow: float = 0, **options: Any) -> Iterator[Any]:
    """The explorer's page, whose model asks the explorer itself."""
    script = str(found._esm).replace("export default", "window.widget =")
    head = f'<!doctype html><meta charset="utf-8"><style>{found._css}</style>'
    document = f'{head}<div id="out"></div><script type="module">{script}</script>'

    def python(asked: str) -> str:
        time.sleep(slow)
        found.asked = json.loads(asked)
        return json.dumps(found.state)

    with opened(browser, document, **options) as page:
        page.expose_function("python", python)
        page.wait_for_function("window.widget")
        page.evaluate(MODEL, found.state)
        yield page


@pytest.mark.browser
def test_a_slider_moves_python(browser: Any) -> None:
    found = explore(f, a=(-3, 3, 1), b=2.0)
    with page_of(browser, found) as page:
        assert page.locator(".result").inner_text() == "f = 0.9640"
        page.get_by_role("slider", name="a").focus()
        page.keyboard.press("Home")
        page.get_by_text("f = 11.00").first.wait_for()
        assert (found.a, found.value) == (-3.0, 11.0)
        assert page.locator(".slope").all_inner_texts() == ["df/da = −6.000", "df/db = 1.000"]
        assert page.locator(".graph .grad").count() > 0
        assert page.locator(".curves svg.autograd-curves").count() == 1
        number = page.get_by_label("b as a number")
        number.fill("5")
        number.press("Enter")
        page.get_by_text("f = 14.00").first.wait_for()
        assert page.get_by_role("slider", name="b").input_value() == "5"
        number.fill("1000")  # outside: the nearest that there is
        number.press("Enter")
        page.get_by_text("f = 15.00").first.wait_for()
        assert found.b == 6.0


@pytest.mark.browser
def test_python_moves_a_slider(browser: Any) -> None:
    found = explore(f, a=(-3, 3, 1), b=2.0)
    with page_of(browser, found) as page:
        found.a = -2
        page.evaluate("state => window.model.receive(state)", found.state)
        assert page.get_by_role("slider", name="a").input_value() == "-2"
        assert page.get_by_label("a as a number").input_value() == "-2"
        assert page.get_by_role("slider", name="a").get_attribute("aria-valuetext") == "−2"


@pytest.mark.browser
def test_errors_stand_in_the_page_and_the_old_picture_stays(browser: Any) -> None:
    found = explore(lambda a: a * 2 if a.data > 0 else 1 / 0, a=(-3, 3, 1))
    with page_of(browser, found) as page:
        picture = page.locator(".graph").inner_html()
        page.get_by_role("slider", name="a").focus()
        page.keyboard.press("Home")
        page.get_by_text("raised ZeroDivisionError").wait_for()
        assert page.locator(".graph").inner_html() == picture
        assert page.locator(".result").inner_text() == "f = 2.000 (old: from before the error)"
        page.keyboard.press("End")
        page.get_by_text("f = 6.000").first.wait_for()
        assert page.locator(".message").is_hidden()


@pytest.mark.browser
def test_a_slow_function_is_asked_one_question_at_a_time(browser: Any) -> None:
    found = explore(f, a=(-3, 3, 1), b=2.0)
    with page_of(browser, found, slow=0.1) as page:
        page.evaluate(
            """() => { const slider = document.querySelector("input[type=range]");
            for (let x = 0; x <= 2; x += 0.05) { slider.value = x; slider.dispatchEvent(new Event("input")); } }"""
        )
        page.wait_for_function("window.model.get('state').answered === 2")
        page.wait_for_timeout(150)
        assert page.evaluate("window.questions") == 2  # the first, and the last
        first, last = map(float, page.evaluate("window.model.seen"))
        assert first == last > 1.9  # the first answer did not push the slider back
        assert found.a == float(page.get_by_role("slider", name="a").input_value()) > 1.9


@pytest.mark.browser
def test_names_are_text_and_ids_are_its_own(browser: Any) -> None:
    found = explore(lambda **given: next(iter(given.values())) * 2, **{"<img src=x onerror=alert(1)>": (0, 1)})
    with page_of(browser, found) as page:
        page.evaluate("window.widget.render({ model: window.model, el: document.getElementById('out') })")
        assert page.locator("img").count() == 0
        inputs = page.locator("[id^=autograd-explorer]").evaluate_all("all => all.map(one => one.id)")
        assert len(set(inputs)) == len(inputs) == 2


@pytest.mark.browser
@pytest.mark.parametrize(("width", "beside"), [(1000, True), (700, True), (390, False)])
def test_the_graph_stands_on_top_and_the_curves_beside_the_sliders_or_below(
    browser: Any, width: int, beside: bool
) -> None:
    found = explore(lambda a, b: (a * b).sin() + a, a=(-3, 3, 1.2), b=2.0)
    with page_of(browser, found, width=width) as page:
        boxes = {
            name: page.locator(f".autograd-explorer .{name}").bounding_box() for name in ("graph", "side", "curves")
        }
        graph, side, curves = boxes["graph"], boxes["side"], boxes["curves"]
        assert graph["width"] > 0.85 * width and graph["y"] + graph["height"] <= min(side["y"], curves["y"])
        if beside:
            assert side["y"] == curves["y"] and side["x"] + side["width"] <= curves["x"]
            root = page.locator(".graph .node.root").bounding_box()
            assert root["x"] + root["width"] <= width
        else:
            assert side["y"] + side["height"] <= curves["y"]
            assert side["x"] == curves["x"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text("f = 1.875").count() == 1
        assert page.get_by_text("-0.4748".replace("-", "−")).count() == 2  # at the slider, and on the node


@pytest.mark.browser
def test_it_fits_a_phone_and_leaves_nothing_behind(browser: Any) -> None:
    found = explore(f, a=(-3, 3, 1), b=2.0)
    with page_of(browser, found, width=390, color_scheme="dark") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (
            page.locator(".autograd-explorer").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(15, 23, 42)"
        )
        page.evaluate("window.end()")
        assert page.evaluate("window.model.listeners.size") == 0


@pytest.mark.parametrize("trait", ["value", "gradients", "root", "error"])
def test_what_follows_from_the_sliders_cannot_be_set(trait: str) -> None:
    explorer = explore(lambda a: a * a, a=(0, 2))
    with pytest.raises(traitlets.TraitError, match="read-only"):
        setattr(explorer, trait, None)
    explorer.a = 2.0
    assert (explorer.value, explorer.gradients, explorer.error) == (4.0, {"a": 4.0}, "")


def test_a_page_without_a_kernel_says_what_went_wrong() -> None:
    def f(a: Value) -> Value:
        raise ValueError("<no>")

    data, _ = explore(f, a=(0, 2))._repr_mimebundle_()
    assert "&lt;no&gt;" in data["text/html"]


def test_a_derivative_that_jumps_is_not_joined() -> None:
    xs = [i / 40 - 1 for i in range(81)]
    kink = [Point(x, abs(x + 0.01), 1.0 if x > -0.01 else -1.0) for x in xs]
    smooth = [Point(x, math.tanh(20 * x), 20 / math.cosh(20 * x) ** 2) for x in xs]
    assert steps([p.slope for p in kink]).count(True) == 1 and not any(is_jump(a, b, kink) for a, b in pairwise(kink))
    assert not any(steps([p.slope for p in smooth])) and not any(steps([3 * x * x for x in xs]))
    assert not any(steps([1.0] * 9)) and not any(steps([math.nan, 1.0]))
    assert curves_svg("f", "x", kink, kink[0]).count('stroke-width="2.2"') == 3
