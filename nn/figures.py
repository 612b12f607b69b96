"""What the pictures of `nn.plot` are drawn on: matplotlib figures with their own paper, in the colours of the drawings.

Imported only when a picture is drawn. Nothing global is touched, neither pyplot nor the user's rcParams.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

from autograd.drawing.palette import PALETTE

try:
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    from matplotlib.figure import Figure
except ImportError:
    raise ImportError(
        "pictures need matplotlib: python -m pip install 'scalar-autograd[notebook]'",
        name="matplotlib",
    ) from None

__all__ = ["MARKERS", "Colours", "Picture", "Theme", "canvas"]

Theme = Literal["light", "dark"]
SHADES = {"light": 0, "dark": 1}
SHARPNESS = 2  # pixels of a notebook's picture per pixel of the page

MARKERS = "o^sDvPX<>"  # as many as go with any of the ten colours: 90 classes look different
CLASSES = [  # (in light, in dark): told apart without seeing red or green, the first ones also in grey
    ("#2563eb", "#3b82f6"),
    ("#f59e0b", "#fbbf24"),
    ("#009e73", "#10b981"),
    ("#cc79a7", "#f0a6cd"),
    ("#d55e00", "#f97316"),
    ("#56b4e9", "#7dd3fc"),
    ("#7c2d12", "#b4724f"),
    ("#d6c913", "#f0e442"),
    ("#6b7280", "#9ca3af"),
    ("#7c3aed", "#a78bfa"),
]


class Colours:
    """The palette in one shade: `colours["data"]`; of a class or a line, `colours.of(3)`; and scales of two colours."""

    def __init__(self, theme: Theme) -> None:
        if theme not in SHADES:
            raise ValueError(f'theme must be "light" or "dark", got {theme!r}')
        self.shade = SHADES[theme]

    def __getitem__(self, use: str) -> str:
        return PALETTE[use][self.shade]

    def of(self, index: int) -> str:
        return CLASSES[index % len(CLASSES)][self.shade]

    def diverging(self, low: str, high: str, strength: float = 1.0) -> Any:
        """From one colour over that of the paper to another; what is not finite is red.

        The colours at the ends are mixed with that of the paper: transparent ones would show where areas meet.
        """
        paper = to_rgb(self["paper"])
        ends = [[strength * c + (1 - strength) * p for c, p in zip(to_rgb(end), paper)] for end in (low, high)]
        scale = LinearSegmentedColormap.from_list("diverging", [ends[0], paper, ends[1]])
        return scale.with_extremes(bad=self["wrong"])

    def sequential(self, high: str) -> Any:
        """From nearly the colour of the paper to another; what is not finite is red."""
        paper, end = to_rgb(self["paper"]), to_rgb(high)
        start = [0.9 * p + 0.1 * c for p, c in zip(paper, end)]
        return LinearSegmentedColormap.from_list("sequential", [start, end]).with_extremes(bad=self["wrong"])

    def marker(self, index: int) -> str:
        """The shape of a class's points."""
        return MARKERS[index % len(MARKERS)]

    def rc(self) -> dict[str, Any]:
        """matplotlib's settings for a picture in these colours."""
        text, line, paper = self["text"], self["line"], self["paper"]
        return {
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "axes.facecolor": paper,
            "axes.edgecolor": line,
            "axes.labelcolor": text,
            "axes.titlesize": "medium",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.color": text,
            "xtick.color": line,
            "ytick.color": line,
            "xtick.labelcolor": text,
            "ytick.labelcolor": text,
            "grid.color": self["scope-line"],
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": "small",
            "font.size": 10,
        }


class Picture(Figure):
    """A matplotlib Figure that a notebook shows when it is a cell's last line, whether or not pyplot is in use.

    `savefig("loss.png")` (or .svg, .pdf) writes it. It keeps its own look whatever the user's rcParams are.
    """

    def __init__(self, *, theme: Theme = "light", **keywords: Any) -> None:
        self.rc = Colours(theme).rc()
        with self.styled():
            super().__init__(layout="constrained", **keywords)
            FigureCanvasAgg(self)

    def styled(self) -> AbstractContextManager[None]:
        return style.context(["default", self.rc])

    def draw(self, renderer: Any) -> None:
        with self.styled():  # matplotlib makes ticks when it needs them
            super().draw(renderer)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """A PNG, twice as sharp as its place on the page."""
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=self.dpi * SHARPNESS)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return {"image/png": written.getvalue()}, {"image/png": {"width": width, "height": height}}


@contextmanager
def canvas(
    ax: Any, theme: Theme, size: tuple[float, float], rows: int = 1, columns: int = 1, **keywords: Any
) -> Iterator[tuple[Any, list[Any], Colours]]:
    """(figure, its axes row by row, colours), to be drawn on within the block: a new Picture, or the user's own `ax`."""
    colours = Colours(theme)
    if ax is not None:
        if not hasattr(ax, "plot"):
            raise TypeError(f"ax must be the matplotlib Axes to draw on, or None for a new figure; got {ax!r:.80}")
        yield ax.figure, [ax], colours
        return
    picture = Picture(theme=theme, figsize=size)
    with picture.styled():
        yield picture, list(picture.subplots(rows, columns, squeeze=False, **keywords).flat), colours
