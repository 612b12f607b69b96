"""Plots: well-formed SVG, points where they belong, texts escaped."""

import math
from xml.etree import ElementTree

import pytest

from nn.charts import Series, line_chart, pixels, scatter, ticks
from nn.words import counted, did_you_mean, number, percent

SVG = ElementTree.fromstring


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (-0.123456, "−0.1235"),
        (1234567.0, "1.235e6"),
        (1e-7, "1e−7"),
        (1e-12, "1e−12"),
        (1e100, "1e100"),
        (2.0, "2"),
        (0.0, "0"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_number(x: float, text: str) -> None:
    assert number(x) == text


def test_percent_never_rounds_to_all_or_nothing() -> None:
    shares = [0, 0.0001, 0.5, 0.966573, 0.9996, 1]
    assert [percent(x) for x in shares] == ["0 %", "0.1 %", "50.0 %", "96.7 %", "99.9 %", "100 %"]


def test_counted() -> None:
    assert [counted(n, "row") for n in (0, 1, 2, 1797)] == ["0 rows", "1 row", "2 rows", "1,797 rows"]


def test_did_you_mean() -> None:
    assert did_you_mean("--quik", ["--quick", "--seed"]) == " (did you mean '--quick'?)"
    assert did_you_mean("zzz", ["--quick", "--seed"]) == ""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 12, [0, 5, 10]), (-3, 3, [-2, 0, 2]), (4, 4, [4])],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_line_chart_puts_points_where_they_belong() -> None:
    svg = line_chart([Series("loss", [0, 5, 10], [4, 2, 0])], title="t", x_label="epoch", y_label="loss")
    root = SVG(svg)
    line = next(element for element in root if element.tag == "polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert points == [(52.0, 46.0), (239.0, 145.0), (426.0, 244.0)]
    texts = [element.text for element in root.iter("text")]
    assert {"loss", "epoch", "0", "2", "4", "10"} <= set(texts)


@pytest.mark.parametrize(
    "series",
    [
        [],
        [Series("empty", [], [])],
        [Series("one", [1], [1])],
        [Series("flat", [0, 1], [0, 0])],
        [Series("broken", [0, 1, 2], [1, math.nan, math.inf])],
        [Series("huge", [0, 1], [1e-300, 1e300]), Series("negative", [0, 1], [-5, -6])],
    ],
    ids=lambda series: series[0].name if series else "none",
)
def test_line_chart_copes(series: list[Series]) -> None:
    svg = line_chart(series, title="t", x_label="x", y_label="y")
    assert "nan" not in svg
    assert "inf" not in svg
    SVG(svg)


def test_percent_axis_ends_at_all() -> None:
    svg = line_chart([Series("a", [0, 1], [0.85, 0.99])], title="", x_label="", y_label="", as_percent=True, y_low=0.8)
    texts = [element.text for element in SVG(svg).iter("text")]
    assert {"80 %", "100 %"} <= set(texts)


def test_scatter_has_the_diagonal() -> None:
    root = SVG(scatter([(0, 1), (10, 10)], title="t", x_label="true", y_label="predicted"))
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter("circle")]
    assert dots == [(52.0, 224.2), (426.0, 46.0)]
    SVG(scatter([], title="", x_label="", y_label=""))


def test_pixels() -> None:
    root = SVG(pixels([0, 8, 16, 99], width=2, full=16, title="four"))
    assert root.attrib["viewBox"] == "0 0 2 2"
    inks = {path.attrib["opacity"]: path.attrib["d"] for path in root}
    assert inks == {"0.5": "M1 0h1v1h-1z", "1": "M0 1h1v1h-1zM1 1h1v1h-1z"}


def test_texts_are_escaped() -> None:
    evil = "<script>\"'&"
    for svg in (
        line_chart([Series(evil, [0, 1], [0, 1])], title=evil, x_label=evil, y_label=evil),
        scatter([(0, 1)], title=evil, x_label=evil, y_label=evil),
        pixels([1], width=1, full=1, title=evil),
    ):
        assert "<script" not in svg
        assert SVG(svg).attrib["aria-label"] == evil
