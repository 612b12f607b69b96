"""A drawing as PNG or PDF, painted by matplotlib from our own SVG, whose elements are few: the same places, the same look."""

import re
import warnings
import xml.etree.ElementTree as ET
from io import BytesIO
from typing import Any

PIXELS_PER_INCH, SHARPNESS, MOST_PIXELS = 96, 2, 8000
FONTS = ["DejaVu Sans Mono", "DejaVu Sans"]  # both come with matplotlib; the second has more signs
HOW_TO_GET_PICTURES = (
    "a PNG or PDF needs matplotlib (python -m pip install matplotlib) or Graphviz's `dot` (graphviz.org), and neither "
    "is here; '.svg' and '.html' always work"
)


def raster(svg: str, format: str) -> bytes:
    """The SVG of a Drawing as "png", twice as sharp as its pixels, or "pdf". Raises ImportError without matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    root = ET.fromstring(svg.encode("utf-8", "replace"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    paint(axes, root, 0.0, 0.0, (width, height))
    written = BytesIO()
    sharpness = min(SHARPNESS, MOST_PIXELS / max(width, height))
    metadata = {"CreationDate": None} if format == "pdf" else {"Software": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of signs that are in none of the fonts: they are shown as boxes
        figure.savefig(written, format=format, dpi=PIXELS_PER_INCH * sharpness, metadata=metadata)
    return written.getvalue()


def paint(axes: Any, part: ET.Element, dx: float, dy: float, size: tuple[float, float]) -> None:
    """Paint an element and all that is in it, moved by (dx, dy)."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    tag = part.tag.rpartition("}")[2]
    moved = re.fullmatch(r"translate\(([\d.]+),([\d.]+)\)", part.attrib.get("transform", ""))
    if moved:
        dx, dy = dx + float(moved[1]), dy + float(moved[2])
    if tag == "text":
        anchor = {"middle": "center", "end": "right"}.get(part.attrib.get("text-anchor", ""), "left")
        axes.text(
            float(part.attrib["x"]) + dx,
            float(part.attrib["y"]) + dy,
            part.text or "",
            fontfamily=FONTS,
            fontsize=12 * 72 / PIXELS_PER_INCH,
            fontweight=part.attrib.get("font-weight", "normal"),
            color=part.attrib["fill"],
            horizontalalignment=anchor,
            verticalalignment="baseline",
            parse_math=False,
        )
    elif tag in ("rect", "path"):
        corners = rounded(part.attrib, size) if tag == "rect" else read_path(part.attrib["d"])
        codes = {"M": Path.MOVETO, "L": Path.LINETO, "C": Path.CURVE4, "z": Path.CLOSEPOLY}
        stroke = part.attrib.get("stroke", "none")
        line = float(part.attrib.get("stroke-width", 1.3)) * 72 / PIXELS_PER_INCH
        dashes = [
            float(length) * 72 / PIXELS_PER_INCH / line for length in part.attrib.get("stroke-dasharray", "").split()
        ]
        axes.add_patch(
            PathPatch(
                Path([(x + dx, y + dy) for _, x, y in corners], [codes[code] for code, _, _ in corners]),
                facecolor=part.attrib["fill"],
                edgecolor=stroke,
                linewidth=line if stroke != "none" else 0.0,
                linestyle=(0, tuple(dashes)) if dashes else "-",
                capstyle="butt",
                alpha=float(part.attrib.get("stroke-opacity", 1)),
            )
        )
    for inner in part:
        paint(axes, inner, dx, dy, size)


Corner = tuple[str, float, float]


def rounded(attributes: dict[str, str], size: tuple[float, float]) -> list[Corner]:
    """The outline of a rectangle with round corners."""
    x, y = float(attributes.get("x", 0)), float(attributes.get("y", 0))
    width = size[0] if attributes["width"] == "100%" else float(attributes["width"])
    height = size[1] if attributes["height"] == "100%" else float(attributes["height"])
    r = min(float(attributes.get("rx", 0)), width / 2, height / 2)
    k = r * 0.4477  # a quarter of a circle as a curve: its inner points are this far from the corner
    right, bottom = x + width, y + height
    outline: list[Corner] = [("M", x + r, y), ("L", right - r, y)]
    outline += [("C", right - k, y), ("C", right, y + k), ("C", right, y + r), ("L", right, bottom - r)]
    outline += [("C", right, bottom - k), ("C", right - k, bottom), ("C", right - r, bottom), ("L", x + r, bottom)]
    outline += [("C", x + k, bottom), ("C", x, bottom - k), ("C", x, bottom - r), ("L", x, y + r)]
    return [*outline, ("C", x, y + k), ("C", x + k, y), ("C", x + r, y), ("z", x + r, y)]


def read_path(written: str) -> list[Corner]:
    """A path of M, L, H, V, C and z, each point with how it is reached."""
    corners: list[Corner] = []
    x = y = 0.0
    for command, arguments in re.findall(r"([MLHVCz])([^MLHVCz]*)", written):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arguments)]
        if command == "z":
            corners.append(("z", x, y))
        elif command in "HV":
            x, y = (numbers[0], y) if command == "H" else (x, numbers[0])
            corners.append(("L", x, y))
        else:
            for x, y in zip(numbers[::2], numbers[1::2], strict=True):
                corners.append((command, x, y))
    return corners
