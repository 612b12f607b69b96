"""What is checked: f as something to run on Values, and a claim as something that gives numbers.

Either is a Python function or a text; a claim may also be an array, or a dict of all of these by name.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import Value
from ..expression import ExpressionError
from ..functional import Argnum
from .formula import Code, listed, near_matches, shape_text
from .points import Argument, argument, arrays_text, as_f_takes, each_its_own, is_arrays
from .samples import Traced, plain, traced_result

EXAMPLE = 'check_derivation(f, {"W": lambda W, X: X.T @ d, "b": "d.sum(axis=0)"}, W, X)'


class Subject:
    """f and its given arguments.

    Attributes:
        arguments: the given ones by name, in order.
        code: f's text, if it is one.
        defaults: arguments that were not given, which texts may name.
        as_given: whether a claim's text gets the arguments as given where f's text changes them.

    Raises TypeError for an f that is neither a function nor a text, and for a call that does not fit it.
    """

    def __init__(self, f: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.f, self.code = f, Code(f, "f") if isinstance(f, str) else None
        self.positional: list[str] = []  # the names of the arguments given by position
        self.defaults: dict[str, Any] = {}
        self.as_given = False
        if self.code is None and not callable(f):
            raise TypeError(
                f"f is {f!r:.60}; give a function of the arguments, or its text: "
                'check_derivation("(sigmoid(w*x) - y)**2/2", "...", w=0.5, x=2.0, y=1.0)'
            )
        if self.code is not None and args:
            raise TypeError(
                f"f is a text, so its arguments are given by name, but {len(args)} came by position: "
                'check_derivation("w*x", "x", w=0.5, x=2.0)'
            )
        given = dict(kwargs) if self.code is not None else self.bind(args, kwargs)
        self.arguments = {name: argument(name, x) for name, x in given.items()}
        if not given:
            raise TypeError(
                "f is given no arguments: pass the point at which to check, check_derivation(f, claimed, w, x)"
            )

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The given arguments by the names that f has for them."""
        name = getattr(self.f, "__name__", "f")
        try:
            parameters = list(inspect.signature(self.f).parameters.values())
        except ValueError:  # some functions written in C do not tell
            parameters = [inspect.Parameter(f"x{i + 1}", inspect.Parameter.POSITIONAL_ONLY) for i in range(len(args))]
        try:
            bound = inspect.Signature(parameters).bind(*args, **kwargs).arguments
        except TypeError as error:
            takes = ", ".join([str(p) for p in parameters])
            raise TypeError(
                f"{name}({takes}) does not take what was given ({len(args)} by position"
                f"{''.join([f', {key}' for key in kwargs])}): {error}; the arguments of f stand behind the claim, "
                "and argnum, keep and seed are check_derivation's own"
            ) from None
        found: dict[str, Any] = {}
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                found |= {f"{p.name}[{i}]": x for i, x in enumerate(bound.get(p.name, ()))}
            elif p.kind is p.VAR_KEYWORD:
                found |= bound.get(p.name, {})
            elif p.name in bound:
                found[p.name] = bound[p.name]
            elif isinstance(p.default, (int, float)):
                self.defaults[p.name] = p.default
        self.positional = [key for key in found if key not in kwargs]
        return found

    def call(self, function: Callable[..., Any], numbers: Mapping[str, Any]) -> Any:
        """A function of the same arguments as f, called as f was."""
        rest = {name: x for name, x in numbers.items() if name not in self.positional}
        return function(*[numbers[name] for name in self.positional], **rest)

    def run(self, numbers: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What f returns for leaves and numbers by name, and every name that its text assigned."""
        if self.code is None:
            given = {name: as_f_takes(self.arguments[name], x) for name, x in numbers.items()}
            with np.errstate(all="ignore"):
                return self.call(self.f, given), {}
        result, names = self.code.run(
            {name: x if isinstance(x, Traced) else traced_result(x) for name, x in numbers.items()}, values=True
        )
        return names.get("loss", result), {name: names[name] for name in self.code.assigned}

    @property
    def known(self) -> list[str]:
        """The names that a claim's text may use."""
        return [*self.arguments, *(self.code.assigned if self.code else self.defaults)]


def as_output(x: Any) -> Any:
    """What f returned as a Value, or an array of Values and numbers; TypeError for anything else."""
    if isinstance(x, Value):
        return x
    if isinstance(x, (list, tuple)):
        array = np.empty(np.shape(np.array(x, dtype=object)), dtype=object)
        array[...] = np.array(x, dtype=object)
    else:
        array = np.asarray(plain(x), dtype=object)
    if array.ndim == 0:
        return array[()]
    return array


# ---- claims --------------------------------------------------------------------------------------------------------


class Part:
    """One thing that was claimed: it gives the gradients of some names.

    Args:
        claimed: a function, a Code, or numbers.
        names: whose gradients they are; none yet for a function that may return a dict.
        what: what errors call it.
        several: whether they come as a tuple.
        wanted: whether `names` were asked for by argnum, so that a dict must have just these.

    Attributes:
        explicit: the names that code assigned as `grads["W"]`.
    """

    def __init__(
        self, claimed: Any, names: list[str], subject: Subject, what: str, several: bool = False, wanted: bool = True
    ) -> None:
        self.claimed, self.names, self.subject, self.what, self.several = claimed, names, subject, what, several
        self.wanted = wanted and bool(names)
        self.fixed = not isinstance(claimed, Code) and not callable(claimed)  # numbers, known at one point only
        self.targets: dict[str, str] = {}
        if isinstance(claimed, Code) and not claimed.formula:
            self.targets = gradient_targets(claimed, subject)
        self.explicit = claimed.gradients if isinstance(claimed, Code) else names

    def seen(self, numbers: Mapping[str, Any], assigned: Mapping[str, Any]) -> dict[str, Any]:
        """What a claim is given, of the arguments and of what f's text assigned: code goes on where f's text ends, a function
        gets the arguments as they were given."""
        goes_on = isinstance(self.claimed, Code) and not self.subject.as_given
        return {**numbers, **assigned} if goes_on else {**assigned, **numbers}

    def compute(
        self, numbers: Mapping[str, Any], assigned: Mapping[str, Any], settled: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The claimed gradients by name, as they come; and the numbers that the claim was given, as it left them.

        If a line of code raises, `settled` gets the gradients that were assigned before, for good.
        """
        given = {name: copied(x) for name, x in self.seen(numbers, assigned).items()}
        if self.fixed:
            return self.by_name(self.claimed), given
        if isinstance(self.claimed, Code):
            known: dict[str, Any] = {}
            try:
                result, names = self.claimed.run({**self.subject.defaults, **given}, settled=known)
            except ExpressionError:
                if settled is not None and not self.claimed.formula:
                    settled |= self.assigned(known)
                raise
            return (self.by_name(result) if self.claimed.formula else self.assigned(names)), given
        with np.errstate(all="ignore"):
            return self.by_name(self.call(given)), given

    def call(self, given: Mapping[str, Any]) -> Any:
        """The claim as a function: by its parameters' names if all are known, else called as f was."""
        try:
            parameters = list(inspect.signature(self.claimed).parameters.values())
        except (TypeError, ValueError):  # some functions written in C do not tell
            parameters = []
        named = all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)
        if parameters and named and all(p.name in given or p.default is not p.empty for p in parameters):
            return self.claimed(**{p.name: given[p.name] for p in parameters if p.name in given})
        return self.subject.call(self.claimed, {name: given[name] for name in self.subject.arguments})

    def by_name(self, found: Any) -> dict[str, Any]:
        """What was returned, by name."""
        if isinstance(found, dict):
            if self.wanted:
                check_keys(found, self.names, self.what)
            return dict(found)
        first = next(iter(self.subject.arguments))
        if not self.several:
            if isinstance(found, tuple) and len(found) > 1 and not self.wanted:
                raise TypeError(
                    f"{self.what} gave a tuple of {len(found)}: say of which arguments, as in argnum=(0, 1), or return a dict"
                )
            return {self.names[0] if self.names else first: found}
        if not isinstance(found, (tuple, list)) or len(found) != len(self.names):
            raise ValueError(
                f"{self.what} should give a tuple of {len(self.names)} gradients, of {', '.join(self.names)} in this "
                f"order, but gave {described(found)}"
            )
        return dict(zip(self.names, found))

    def assigned(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The gradients that code assigned, as `dW` or `grads["W"]`."""
        found = {name: names[target] for name, target in self.targets.items() if target in names}
        grads = names.get("grads", {})
        return {**found, **{name: grads[name] for name in self.explicit if name in grads}}


def gradient_targets(code: Code, subject: Subject) -> dict[str, str]:
    """The names whose gradients a code assigns as d + name, and what it calls these.

    What is changed on the way is taken for an argument's gradient only, and never for that of integers.
    """
    assigned = subject.code.assigned if subject.code else []
    again = {*code.changed, *(subject.code.changed if subject.code else ())}
    found: dict[str, str] = {}
    for target in code.assigned:
        for name in [*subject.arguments, *assigned]:
            given = subject.arguments.get(name)
            settled = given.kind in ("float", "floats") if given else not {name, target} & again
            if settled and target in (f"d{name}", f"d_{name}", f"grad_{name}") and target not in subject.known:
                found.setdefault(name, target)
    return found


def read_claim(claimed: Any, argnum: Argnum | None, subject: Subject) -> list[Part]:
    """A claim's parts.

    Raises TypeError or ValueError for what can be no claim, or is about something that is no argument.
    """
    wanted, several = wanted_names(argnum, subject)
    if isinstance(claimed, dict):
        if not claimed:
            raise ValueError(f"the claim is an empty dict; give a gradient for each name, as in {EXAMPLE}")
        check_names(claimed, subject, "the claim")
        if wanted:
            check_keys(claimed, wanted, "the claim")
        return [read_part(one, [name], subject, f"the claim of {name}") for name, one in claimed.items()]
    return [read_part(claimed, wanted, subject, "the claim", several)]


def read_part(claimed: Any, wanted: list[str], subject: Subject, what: str, several: bool = False) -> Part:
    """A claim that is no dict."""
    if claimed is None or isinstance(claimed, (bytes, set, dict)):
        raise TypeError(f"{what} is {claimed!r:.60}; give a function, a formula, an array or code, as in {EXAMPLE}")
    one = Code(claimed, what) if isinstance(claimed, str) else claimed
    first = next(iter(subject.arguments))
    if not isinstance(one, Code):
        return Part(one, wanted if wanted or callable(one) else [first], subject, what, several)
    if one.formula:
        return Part(one, wanted or [first], subject, what, several)
    part = Part(one, wanted, subject, what)
    check_names(one.gradients, subject, what)
    for name in part.targets:
        if name in one.gradients:
            raise ValueError(
                f"{what} assigns the gradient of {name} twice, as {part.targets[name]} and as grads['{name}']"
            )
    part.names = part.names or [*part.targets, *one.gradients]
    missing = [name for name in part.names if name not in part.targets and name not in one.gradients]
    does = f"it assigns {listed(one.assigned) or 'nothing'}"
    if missing:
        write = f"write d{missing[0]} = ... or grads['{missing[0]}'] = ..., or end with a formula"
        raise ValueError(f"{what} is code that assigns no gradient of {', '.join(missing)}: {does}; {write}")
    if not part.names:
        for given in subject.arguments.values():
            if f"d{given.name}" in one.assigned:
                raise TypeError(no_gradient(given))
        write = f"write d{first} = ... or grads['{first}'] = ..., or end with a formula"
        raise ValueError(
            f"{what} is code that assigns no gradient: {does}, and the arguments are {listed(subject.arguments)}; {write}"
        )
    return part


def wanted_names(argnum: Argnum | None, subject: Subject) -> tuple[list[str], bool]:
    """The names that argnum says, none if there is none, and whether it is a tuple."""
    if argnum is None:
        return [], False
    several = isinstance(argnum, (tuple, list))
    names = list(subject.arguments)
    found: list[str] = []
    for one in argnum if isinstance(argnum, (tuple, list)) else (argnum,):
        if isinstance(one, str):
            check_names([one], subject, "argnum")
            name = one
        elif isinstance(one, int) and not isinstance(one, bool):
            if not -len(names) <= one < len(names):
                raise ValueError(f"argnum={one}, but f has {len(names)} arguments: {listed(names)}")
            name = names[one]
        else:
            raise TypeError(f"argnum is a position, a name or a tuple of these, got {argnum!r}")
        if name in found:
            raise ValueError(f"argnum={argnum!r} names {name} twice; name each argument once")
        found.append(name)
    return found, several


def check_names(names: Any, subject: Subject, what: str) -> None:
    """ValueError for a name that is no argument, TypeError for one that has no gradient."""
    for name in names:
        if not isinstance(name, str) or name not in [
            *subject.arguments,
            *(subject.code.assigned if subject.code else []),
        ]:
            for x in subject.arguments.values():
                if isinstance(x.given, dict) and name in x.given:
                    raise ValueError(f"{what} names {name!r}: {each_its_own(x.name, x.given)}")
            near = near_matches(str(name), subject.known)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(
                f"{what} names {name!r}, which is no argument of f: there are {listed(subject.arguments)}{hint}"
            )
        given = subject.arguments.get(name)
        if given and given.kind in ("int", "ints", "other"):
            raise TypeError(no_gradient(given))


def no_gradient(given: Argument) -> str:
    if isinstance(given.given, dict) or is_arrays(given.given):
        return each_its_own(given.name, given.given)
    if given.kind == "other":
        return f"{given.name} is {given.given!r:.60}, which has no gradient: claim those of floats and arrays of floats"
    how = f"{float(given.given)}" if given.kind == "int" else f"{given.name}.astype(float)"
    if given.nested:
        how = f"np.array({given.name}, dtype=float)"
    return (
        f"{given.name} is made of integers, which have no gradient; if it is a number to differentiate by, pass {how}"
    )


def check_keys(found: Mapping[str, Any], wanted: list[str], what: str) -> None:
    """ValueError unless the keys are these names."""
    missing, extra = [n for n in wanted if n not in found], [n for n in found if n not in wanted]
    if missing or extra:
        lacks = f"lacks {', '.join(map(repr, missing))}" if missing else ""
        has = f"has {', '.join(map(repr, extra))}, which argnum does not name" if extra else ""
        raise ValueError(
            f"{what} should have the keys {', '.join(map(repr, wanted))}, but {' and '.join(filter(None, (lacks, has)))}"
        )


def as_numbers(x: Any, what: str) -> Any:
    """A claimed gradient as a float64 array; TypeError for what is no array of numbers."""
    if isinstance(x, Value):
        x = x.data
    if x is None:
        raise TypeError(f"{what} is None: does the function lack a return? It should return an array of the gradient")
    if isinstance(x, (str, bytes, dict, set)) or callable(x):
        raise TypeError(f"{what} is {described(x)}; it should be a number or an array of numbers")
    try:
        array = np.array(x)
    except ValueError:
        if is_arrays(x):
            raise ValueError(
                f"{what} is {arrays_text(x)}: gradients of several arguments are a dict by name, as "
                '{"W": ..., "b": ...}, or a tuple, with argnum=("W", "b") to say of which'
            ) from None
        raise ValueError(f"{what} holds lists of different lengths: {x!r:.80}; make its rows equally long") from None
    if array.dtype == object:
        array = np.array(
            [getattr(v, "data", v) if not isinstance(v, np.ndarray) else v for v in array.flat] or [0.0]
        ).reshape(array.shape)
    if array.dtype.kind == "c":
        raise TypeError(f"{what} is complex ({array.flat[0]!r:.60}); gradients are checked for real numbers")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} is {described(x)}; it should be a number or an array of numbers")
    return array.astype(float)


def described(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiubO":
        return f"an array, {shape_text(x)}"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    return f"{x!r:.60} of type {type(x).__name__}"


def copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


# ---- what went wrong, and where ------------------------------------------------------------------------------------


def failure(error: BaseException, function: Any, what: str) -> Exception:
    """An error of a user's function as one that says where it came about, and what was known there."""
    if isinstance(error, ExpressionError):
        return error
    filename = getattr(getattr(function, "__code__", None), "co_filename", None)
    at, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            at = trace
        trace = trace.tb_next
    place = known = hint = ""
    if at is not None:
        line = linecache.getline(filename or "", at.tb_lineno).strip()
        place = f" in line {at.tb_lineno}" + (f", `{line}`" if line else "")
        shown = {k: x for k, x in at.tb_frame.f_locals.items() if isinstance(x, (np.ndarray, float, int, list, Value))}
        known = ", ".join(
            [
                f"{name} is {shape_text(x) if not isinstance(x, list) else f'a list of {len(x)}'}"
                for name, x in list(shown.items())[:12]
            ]
        )
        if isinstance(error, NameError) and error.name:
            near = near_matches(error.name, [*at.tb_frame.f_locals, *at.tb_frame.f_globals])
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    reason = str(error).partition("\n")[0].partition(", with gufunc")[0][:300]
    return kind(f"{what} raised {type(error).__name__}{place}: {reason}{hint}{f'; there {known}' if known else ''}")


def data_of(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


def numbers_in(x: Any) -> Any:
    """The numbers of Values: a float, or a float64 array; anything else as it is."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return np.array([data_of(one) for one in x.flat], dtype=float).reshape(x.shape)
    if isinstance(x, (list, tuple)):
        return type(x)(map(numbers_in, x))
    return data_of(x)
