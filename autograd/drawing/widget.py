"""The live widget of `explore`, on anywidget: imported only there."""

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .embed import image
from .figures import figure, shown
from .palette import FONT, css_variables
from .sliders import Failed, Slider, function_name, real, view

HERE = Path(__file__).parent


class Number(traitlets.TraitType):  # type: ignore[misc]
    """The trait of one argument: a number in its slider's range."""

    def __init__(self, name: str, slider: Slider) -> None:
        super().__init__(slider.start, help=f"{name}, from {slider.low:g} to {slider.high:g}")
        self.argument, self.slider = name, slider

    def validate(self, obj: Any, value: Any) -> float:
        try:
            number = real(self.argument, value)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None
        low, high = self.slider.low, self.slider.high
        if not low <= number <= high:
            raise traitlets.TraitError(f"{self.argument} = {number:g} is outside its range, {low:g} to {high:g}")
        return number


def check_name(name: str) -> None:
    """Refuse the name of an argument that would stand in the way of the widget's own attributes."""
    advice = f"give the argument another name, as in explore(lambda x: f({name}=x), x=...)"
    if name.startswith("_"):
        raise ValueError(f"{name!r} begins with '_', as what the widget keeps to itself does: {advice}")
    if name == "self" or hasattr(Explorer, name):
        raise ValueError(f"the widget has {name!r} of its own: {advice}")


def style() -> str:
    """The style sheet, with the palette as its variables."""
    return (
        f".autograd-explorer{{--figures:{FONT};{css_variables(0)}}}"
        f"@media (prefers-color-scheme: dark){{.autograd-explorer{{{css_variables(1)}}}}}"
        + (HERE / "explorer.css").read_text(encoding="utf-8")
    )


class Explorer(anywidget.AnyWidget):  # type: ignore[misc]
    """f with a slider for each argument. `autograd.explore` makes one.

    Traits: one per argument, named like it; and, to be read and observed, `value`, `gradients`, `root` and `error`, which
    follow from them. While `error` is not empty, the others are still those from before it.
    """

    _esm = (HERE / "explorer.js").read_text(encoding="utf-8")
    _css = style()
    value = traitlets.Any(None, read_only=True, help="f's number; the last one there was, if `error` is not empty")
    gradients = traitlets.Dict(read_only=True, help="df / d argument, by name")
    root = traitlets.Any(None, read_only=True, help="the Value that f returned")
    error = traitlets.Unicode("", read_only=True, help="why there is nothing new to show; empty if all is well")
    state = traitlets.Dict(help="what the page shows").tag(sync=True)
    asked = traitlets.Dict(help="where the page's sliders were moved").tag(sync=True)

    def __init__(self, f: Callable[..., Any], sliders: Mapping[str, Slider]) -> None:
        for name in sliders:
            check_name(name)
        super().__init__()
        self._f, self._sliders, self._silent, self._answered = f, dict(sliders), False, 0
        self.add_traits(**{name: Number(name, slider) for name, slider in sliders.items()})
        self.observe(self._moved, list(sliders))
        self.observe(self._asked, "asked")
        self._refresh()

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(self, name):
            raise AttributeError(f"there is no argument {name!r}: this explorer has {', '.join(self._sliders)}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        at = ", ".join([f"{name} = {figure(x)}" for name, x in self.numbers.items()])
        slopes = ", ".join([f"d/d{name} {figure(x)}" for name, x in self.gradients.items()])
        return f"Explorer of {function_name(self._f)}({at}): {self.error or f'{figure(self.value)}, {slopes}'}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and for a notebook without a kernel the pictures."""
        shown_as = super()._repr_mimebundle_(**kwargs)
        data, metadata = shown_as if isinstance(shown_as, tuple) else (shown_as, {})
        pictures = [image(picture, repr(self)) for picture in (self.state["picture"], *self.state["curves"]) if picture]
        problem = [f"<p>{html.escape(self.error)}</p>"] if self.error else []
        return {**data, "text/plain": repr(self), "text/html": "<br>".join(problem + pictures)}, metadata

    @property
    def numbers(self) -> dict[str, float]:
        """Where the sliders are."""
        return {name: getattr(self, name) for name in self._sliders}

    def _moved(self, change: Any) -> None:
        if not self._silent:
            self._refresh()

    def _asked(self, change: Any) -> None:
        """The page moved sliders: {"serial": 7, "numbers": {"a": 1.5}}. What is no number is left where it is."""
        given = self.asked.get("numbers")
        self._answered = self.asked.get("serial", 0)
        self._silent = True  # the picture is drawn once, not once for each
        try:
            for name, x in given.items() if isinstance(given, dict) else ():
                if name in self._sliders and isinstance(x, (int, float)) and x == x:
                    slider = self._sliders[name]
                    setattr(self, name, min(max(x, slider.low), slider.high))
        finally:
            self._silent = False
            self._refresh()

    def _refresh(self) -> None:
        """Call f and show what came of it; if nothing did, say so and keep the last picture, marked as old."""
        name = function_name(self._f)
        arguments = [
            {"name": shown(given), "key": given, "low": s.low, "high": s.high, "value": getattr(self, given)}
            for given, s in self._sliders.items()
        ]
        before = self.state or {"picture": "", "curves": [], "value": figure(None), "gradients": {}}
        common = {"answered": self._answered, "name": name, "arguments": arguments}
        try:
            found = view(self._f, self.numbers, self._sliders)
        except Failed as error:
            self.set_trait("error", str(error))
            self.state = {**before, **common, "stale": True, "message": str(error)}
            return
        self.set_trait("error", "")
        self.set_trait("root", found.root)
        self.set_trait("value", found.root.data)
        self.set_trait("gradients", found.gradients)
        self.state = {
            **common,
            "stale": False,
            "message": " ".join(found.notes),
            "value": figure(found.root.data),
            "gradients": {given: figure(x) for given, x in found.gradients.items()},
            "picture": found.picture,
            "curves": found.curves,
        }
