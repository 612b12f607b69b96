"""One check from its arguments to its report: what is wrong with the call is raised, what is wrong with the claim is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from unicodedata import normalize

import numpy as np

from ..engine import Value, topological_sort
from ..expression import ExpressionError
from ..modes import detect_anomaly
from .cases import Mistake
from .claims import (
    Part,
    Subject,
    as_output,
    check_names,
    described,
    failure,
    no_gradient,
    numbers_in,
    read_claim,
)
from .formula import Code, listed, near_matches, shape_text
from .mistakes import explain
from .points import written_numbers
from .report import Report, Row
from .samples import Sample, plain
from .sampling import NotClaimed, Nothing, Sampling, has_values, is_finite

CLOSE = 1e-7  # how far an entry of a claim may be from the gradient's, relative to it
CANCELLED = 1e-12  # ... and relative to what the contributions to it come to without their signs
ROUNDING = 1e-13  # ... and to the largest entry
SIDES = 3  # points beside the given one
SMALL = 14  # the power of 2 from which on a gradient is called very small or large
RESTRICTED = {  # what a claim is where a mistake of this kind explains it, if its text does not say
    "batch of one": "right only for a batch of one",
    "stride": "right only for one stride",
    "sum of targets": "right only where targets sum to 1",
}
SIZES, SUMS = {"sizes", "square", "one"}, {"sums"}


def check(
    f: Any,
    claimed: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    argnum: Any,
    keep: str | Sequence[str],
    seed: int,
) -> Report:
    """The report of one check; see `check_derivation`.

    Where f's text assigns an argument anew, a claim's text may mean either by its name: what is right with one is right.
    """
    keep = [keep] if isinstance(keep, str) else list(keep)
    first = Check(f, claimed, args, kwargs, argnum, keep, seed)
    report = first.report()
    anew = [name for name in first.subject.arguments if first.subject.code and name in first.subject.code.assigned]
    if anew and not report.right and any(isinstance(part.claimed, Code) for part in first.parts):
        with suppress(TypeError, ValueError):
            other = Check(f, claimed, args, kwargs, argnum, keep, seed, as_given=True).report()
            if other.right:
                read = f"f's text changes {listed(anew)}; the claim is read with {listed(anew)} as given"
                return Report(other.rows, [*other.notes, read])
    return report


class Check:
    """A claim, its points, and the verdicts."""

    def __init__(
        self,
        f: Any,
        claimed: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        argnum: Any,
        keep: Sequence[str],
        seed: int,
        as_given: bool = False,
    ) -> None:
        self.subject = Subject(f, args, kwargs)
        self.subject.as_given = as_given
        for name in keep:
            if name not in self.subject.arguments:
                known = listed(self.subject.arguments)
                raise ValueError(f"keep names {name!r}, which is no argument of f: there are {known}")
        self.parts = read_claim(claimed, argnum, self.subject)
        self.check_used()
        self.points = Sampling(self.subject, self.parts, keep, seed)
        self.notes: list[str] = []
        self.told_elsewhere: dict[str, list[str]] = {}  # why nothing is known at some sizes, and of which gradients

    def report(self) -> Report:
        """Raises TypeError and ValueError as `check_derivation` does."""
        self.first_point()
        self.points.collect()
        rows = [self.row(name) for name in self.points.names]
        for told, names in self.told_elsewhere.items():
            are = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} right"
            self.notes.append(f"{are} at the sizes given; at others the claim {told}")
        report = Report(rows, [self.checked(), *dict.fromkeys(self.notes)])
        self.refuse(report)
        return report

    def check_used(self) -> None:
        """Raise TypeError for an argument that neither f's text nor the claim has: a name may be misspelt."""
        subject, used = self.subject, set(self.subject.code.names if self.subject.code else ())
        for part in self.parts:
            if callable(part.claimed):
                return
            used |= {*part.names, *(part.claimed.names if isinstance(part.claimed, Code) else ())}
        for name in subject.arguments if subject.code else ():
            if normalize("NFKC", name) not in used:
                near = near_matches(name, subject.code.names if subject.code else ())
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise TypeError(
                    f"{name} was given, but stands neither in f's text nor in the claim{hint}; leave it out"
                )

    # ---- the given point -------------------------------------------------------------------------------------------

    def first_point(self) -> None:
        """Sample the given point, whatever is wrong there being told."""
        points, given = self.points, self.points.given
        for name in {name for part in self.parts for name in part.names} & given.keys():
            self.check_differentiable(name)
        if not any(x.kind in ("float", "floats") for x in self.subject.arguments.values()):
            raise TypeError(
                f"f is given no floats, by which one could differentiate, but {listed(map(repr, given.values()))}; "
                "give floats, arrays of floats, or nested lists of floats"
            )
        output, assigned = self.first_output()
        self.note_changes()
        computed = {name: numbers_in(x) for name, x in assigned.items()}
        for part in self.parts:
            self.first_claim(part, given, computed)
            part.names = [n for n in part.names if n in given or n in part.explicit or holds(assigned.get(n))]
        names = [name for part in self.parts for name in part.names]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the gradient of {name} is claimed twice; claim it once")
            if name in given:
                self.check_differentiable(name)
        if not names:
            raise ValueError(f"the claim is about no argument of f: there are {listed(given)}")
        order = [*given, *assigned]
        code = len(self.parts) == 1 and isinstance(self.parts[0].claimed, Code)
        points.names = sorted(names, key=order.index) if code else names
        scalar = np.size(plain(output)) == 1
        points.axes, points.wrapped = (0, np.ndim(output)) if scalar else (np.ndim(output), 0)
        try:
            points.everything = False
            points.everything = not has_values(as_output(points.run(given)[0]))
            found = points.sample(given, {}, "given", {})
        except Nothing:
            raise self.not_finite() from None
        if not same_numbers(found.output, output.item() if scalar and points.wrapped else output):
            raise ValueError(
                "f gives other numbers each time that it is run at the same arguments, so there is nothing to compare with: "
                "draw what is random in it outside, and pass it as an argument"
            )
        points.samples.append(found)

    def check_differentiable(self, name: str) -> None:
        """Raise TypeError for an argument that is not made of floats."""
        if self.subject.arguments[name].kind not in ("float", "floats"):
            raise TypeError(no_gradient(self.subject.arguments[name]))

    def first_output(self) -> tuple[Any, dict[str, Any]]:
        """What f returns at the given point, a Value or an array of them, and what its text assigned."""
        points = self.points
        points.names = [name for part in self.parts for name in part.names if name in points.given]
        for points.everything in (False, True):
            try:
                raw, _, assigned = points.run(points.given)
            except Exception as error:
                raise failure(error, self.subject.f, "f") from error
            if raw is None:
                raise TypeError("f returned None: does it lack a return? It should return one number, the loss")
            if isinstance(raw, tuple):
                raise TypeError(
                    f"f returned a tuple of {len(raw)}; it should return the loss alone, one number, so leave out what comes "
                    "with it: check_derivation(lambda *args: f(*args)[0], ...). Several numbers are a list or an array"
                )
            try:
                output = as_output(raw)
            except (TypeError, ValueError):
                break
            if has_values(output):
                return output, assigned
        else:
            if all(isinstance(x, (int, float, np.number)) for x in np.ravel(output)):
                raise TypeError(
                    f"f returned plain numbers ({raw!r:.60}), which hang on no argument: f must compute with the Values that "
                    "it is given, by + - * / ** @, NumPy's functions or autograd's, and not by math.exp, float(x) or x.data; "
                    "write np.exp(x) or autograd.exp(x)"
                )
        raise TypeError(f"f should return one number or an array of numbers, but returned {described(raw)}")

    def note_changes(self) -> None:
        """Note what f changes in place: the user may not know that the claim is about something else."""
        code = any(isinstance(part.claimed, Code) for part in self.parts) and self.subject.code is not None
        for name in self.points.changed:
            seen = f"the claim's text gets {name} as f's text leaves it"
            kept = f"to keep {name}, let f change a copy, {name} = {name}.copy()"
            self.notes.append(
                f"f changes the argument {name} in place; the gradient is the one with respect to {name} as it was given, "
                f"and {seen if code and not self.subject.as_given else kept}"
            )

    def first_claim(self, part: Part, given: Mapping[str, Any], computed: Mapping[str, Any]) -> None:
        """Run a part of the claim at the given point: learn its names, and note what it changes. Raise what no mistake in a
        derivation explains: anything but numbers of a wrong shape, or shapes that do not fit."""
        try:
            results, after = part.compute(given, computed)
        except Exception as error:
            if is_misfit(error):  # perhaps something is transposed
                part.names = part.names or self.names_elsewhere(part)
                if part.names:
                    return
            if isinstance(error, (TypeError, ValueError)) and str(error).startswith(part.what):
                raise
            raise failure(error, part.claimed, part.what) from error
        if not part.names:
            check_names(results, self.subject, part.what)
            if not results:
                first = next(iter(given))
                raise ValueError(
                    f'{part.what} gave an empty dict; it should have gradients by name, as {{"{first}": ...}}'
                )
            part.names = list(results)
        for name, x in part.seen(given, computed).items():
            changed = isinstance(x, np.ndarray) and name in after and not same_array(x, after[name])
            if changed and not part.fixed:
                self.notes.append(
                    f"{part.what} changes {'the argument ' if name in given else ''}{name} in place, and who uses {name} "
                    f"afterwards gets other numbers: change a copy of it, {name}.copy()"
                )

    def names_elsewhere(self, part: Part) -> list[str]:
        """What a function that raises at the given point gives gradients of where all sizes are equal."""
        for numbers in self.points.elsewhere():
            try:
                assigned = {name: numbers_in(x) for name, x in self.points.run(numbers)[2].items()}
                found = part.compute(numbers, assigned)[0]
            except Exception:
                continue
            check_names(found, self.subject, part.what)
            return list(found)
        return []

    def not_finite(self) -> ValueError:
        """The error for an f that is not finite at the given arguments: where it began, and what may help."""
        points = self.points
        numbers = numbers_in(as_output(points.run(points.given)[0]))
        finite = bool(np.isfinite(numbers).all())
        value = "" if finite else f" ({numbers})" if np.ndim(numbers) == 0 else " in some entries"
        where = hint = ""
        try:
            with detect_anomaly():
                points.run(points.given)
        except Exception as error:
            where = f": {error}" if isinstance(error.__cause__ or error, FloatingPointError) else ""
        if "log of 0.0 " in where or "log of -0.0 " in where:
            hint = "; if this is the log of a softmax that underflowed, write it as the score - logsumexp(scores)"
        return ValueError(
            f"{'a gradient of f' if finite else 'f'} is not finite{value} at the given arguments, so there is nothing to "
            f"compare{where}{hint}; give arguments where it is finite"
        )

    # ---- verdicts --------------------------------------------------------------------------------------------------

    def row(self, name: str) -> Row:
        """What is found of one claim; first of all whether it runs at the given arguments."""
        row, given = self.found(name), self.points.samples[0].claimed[name]
        if not isinstance(given, Exception) or isinstance(given, NotClaimed) or row.verdict == "right":
            return row
        if row.kind == "stride" and row.sort == "right only":
            return row
        told = f"it does not run at the arguments given: {self.reason(name, given)}"
        if row.sort == "right only":
            told += f"; it is {row.verdict}"
        elif row.kind != "unexplained":
            told += f"; {row.text}"
        return row._replace(verdict="wrong", text=told)

    def reason(self, name: str, error: Exception) -> str:
        """Why a claim gives no numbers, and in which line, in one line."""
        part = next(part for part in self.parts if name in part.names)
        known = isinstance(error, (TypeError, ValueError)) and str(error).startswith(("the claim of", part.what))
        told = str(error if known else failure(error, part.claimed, part.what))
        return told.partition("\n")[0].partition("; there ")[0]

    def found(self, name: str) -> Row:
        """What is found of one claim."""
        points = self.points
        samples = [s for s in points.samples if not isinstance(s.claimed[name], NotClaimed) and self.tells(s, name)]
        certain = [s for s in samples if id(s) not in points.doubtful]
        failing = [s for s in certain if not is_right(s, name)]
        if len(samples) == 1 < len(points.samples):
            self.notes.append(
                f"{name} is claimed as numbers, which are known at the given arguments: checked there only"
            )
        if not failing:
            return Row(name, "right", "", "", worst(certain, name))
        if all(isinstance(s.claimed[name], Exception) for s in samples) or not is_finite(samples[0].claimed[name]):
            return Row(name, "wrong", "unexplained", far(failing, name), worst(failing, name))
        if len(failing) == 1 < len(samples) and failing[0] is samples[0] and self.at_kink(name):
            self.notes.append(
                f"{name}: at the given arguments is a kink of f, or nothing but rounding, so it was compared beside them"
            )
            return Row(name, "right", "", "", worst(certain[1:], name))
        if {s.kind for s in failing} <= SIZES and self.written(failing):
            self.notes.append(f"{name} is right at the sizes given; f has them in its text, so it holds at no others")
            return Row(name, "right", "", "", worst([s for s in certain if is_right(s, name)], name))
        if name not in points.given and any(name in part.targets and not part.wanted for part in self.parts):
            self.notes.append(
                f"d{name} is read as the gradient of f with respect to {name}, which f's text assigns; if it is meant as "
                "something else, give it another name"
            )
        mistake = None
        given = [s for s in samples if id(s) not in points.longer]
        tries = [samples, certain] if len(certain) < len(samples) else [samples]
        if len(given) < len(samples) and any(s is failing[0] for s in given):
            tries = [given, *tries]  # fewer, but like the given point
        for some in tries:
            found = self.mistake(name, some)
            if found and (mistake is None or found.kind not in RESTRICTED):
                mistake = found
            if mistake and mistake.kind not in RESTRICTED:
                break
        if mistake is None:
            return self.unexplained(name, certain, failing)
        verdict, (kind, text) = "wrong", mistake
        if mistake.kind in RESTRICTED and not text.startswith("wrong here"):
            verdict = RESTRICTED[mistake.kind]
            if text.startswith("right only"):
                cut = min([i for i in (text.find(": "), text.find(" (")) if i >= 0], default=len(text))
                verdict, text = text[:cut], text[cut:].strip(" :")
        elif mistake.kind not in RESTRICTED and all(id(s) in points.longer for s in failing):
            verdict, kind = self.of_one(failing), "batch of one"
            text = text.replace("1 times too large: ", "").replace("1 times too small: ", "")
        return Row(name, verdict, kind, text, worst(failing, name))

    def of_one(self, failing: Sequence[Sample]) -> str:
        """The verdict for what is right as long as axes of length 1 have that length."""
        for name, x in self.subject.arguments.items():
            for i, n in enumerate(x.shape):
                longer = n == 1 and all(np.shape(s.arguments[name])[i] > 1 for s in failing)
                if longer and name not in self.points.names:
                    word = ("row", "column")[i] if len(x.shape) == 2 else "entry"
                    return f"right only for 1 {word} in {name}"
        return "right only for a size of one"

    def mistake(self, name: str, samples: Sequence[Sample]) -> Mistake | None:
        """The known mistake that explains a claim; a note and None if the search for it fails."""
        points = self.points
        if len(samples) > 1 and self.is_kink(name):  # whatever one takes the slope there for
            samples = samples[1:]
        plainly = len(samples) > 1 and any(s.kind in ("given", "random") and not is_right(s, name) for s in samples)
        by = magnifier(samples, name)
        more = (lambda count: [magnified(s, name, by) for s in points.more(count)]) if plainly else None
        try:
            with np.errstate(all="ignore"):  # claims may be infinite
                found = explain([magnified(s, name, by) for s in samples], name, more)
                if by != 1 and found and found.kind.startswith("regulariser"):  # its text has numbers of f in it
                    found = explain(samples, name, points.more if plainly else None)
                return found
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            self.notes.append(f"{name}: the search for the mistake stopped: {reason:.200}")
            return None

    def unexplained(self, name: str, samples: Sequence[Sample], failing: Sequence[Sample]) -> Row:
        """The verdict where no known mistake gives the claim."""
        right = [s for s in samples if is_right(s, name)]
        if isinstance(samples[0].claimed[name], Exception) and (verdict := self.right_for(samples, name)):
            return Row(name, verdict, "stride", far(failing, name), worst(failing, name))
        kinds, told = {s.kind for s in failing}, far(failing, name)
        compared = any(is_compared(s, name) for s in failing)
        if not is_compared(samples[0], name) and (axis := other_axis(samples, name)):
            text = f"there is one number for each of the {axis}, not one for each of {name}: summed over the wrong axis"
            return Row(name, "wrong", "wrong axis", text, math.nan)
        error = worst(failing, name)
        varied = list(dict.fromkeys(key for s in failing for key in s.varied))
        given = ", ".join([f"{key} = {self.points.given[key]}" for key in varied if key in self.points.given])
        if kinds <= SIZES or (kinds <= {*SIZES, "integers"} and not compared):
            if not compared:
                raised = next((x for s in failing if isinstance(x := s.claimed[name], Exception)), None)
                told = f"does not run: {self.reason(name, raised)}" if raised else "gives nothing of the right shape"
                self.told_elsewhere.setdefault(told, []).append(name)
                return Row(name, "right", "", "", worst(right, name))
            sizes = sorted({f"{n} made {m}" for s in failing for n, m in s.sizes.items()})
            text = f"with other sizes ({listed(sizes[:6])}) {told}"
            return Row(name, "right only at the sizes given", "unexplained", text, error)
        if kinds == {"integers"}:
            others = sorted({f"{key} = {n}" for s in failing for key, n in s.varied.items()})
            return Row(name, f"right only for {given}", "unexplained", f"with {listed(others)} {told}", error)
        if kinds == SUMS:
            sums = listed(varied)
            return Row(name, f"right only where {sums} sums to 1", "sum of targets", f"elsewhere {told}", error)
        if kinds == {"random"} and all("any sign" in s.varied.values() for s in failing):
            return Row(
                name, f"right only for {listed(varied)} of the sign given", "unexplained", f"elsewhere {told}", error
            )
        if failing[0] is not samples[0]:
            told += "; at the given arguments it happens to be right"
        return Row(name, "wrong", "unexplained", told, error)

    def right_for(self, samples: Sequence[Sample], name: str) -> str:
        """The verdict for a claim that gives numbers, and then right ones, with another integer than the given one."""
        for other, x in self.subject.arguments.items():
            if x.kind == "int":
                for n in (1, 0):
                    with_it = [s for s in samples if s.arguments[other] == n != x.given]
                    if with_it and all(is_right(s, name) for s in with_it):
                        return f"right only for {other} = {n}"
        return ""

    def tells(self, sample: Sample, name: str) -> bool:
        """Whether a claim may be judged at a sample: one made for an axis of length 1 may give nothing where it is longer,
        and one made for a stride that leaves nothing over where something is left over."""
        if id(sample) in self.points.leaving:
            return is_compared(sample, name)
        longer = self.points.longer.get(id(sample))
        if longer is None or is_compared(sample, name):
            return name not in self.points.unclear.get(id(sample), ())
        return name not in longer and not isinstance(sample.claimed[name], Exception)

    def written(self, failing: Sequence[Sample]) -> bool:
        """Whether f has each length that was varied as a number in its text, but 1 and 2, which are in every text."""
        numbers = self.subject.code.numbers() if self.subject.code else written_numbers(self.subject.f)
        return all(s.sizes.keys() & numbers - {1, 2} for s in failing)

    def at_kink(self, name: str) -> bool:
        """Whether the claim is right beside the given point, a millionth away to any side."""
        beside = list(self.beside(list(self.points.given)))
        return len(beside) == SIDES and all(is_right(s, name) for s in beside)

    def is_kink(self, name: str) -> bool:
        """Whether the gradient is another beside the given point."""
        here = self.points.samples[0].gradient[name]
        size = np.max(np.abs(here), initial=0)
        claimed = [other for other in self.points.names if other in self.points.given]
        beside = self.beside(claimed or list(self.points.given))
        return any(np.max(np.abs(s.gradient[name] - here), initial=0) > 1e-2 * size for s in beside)

    def beside(self, names: Sequence[str]) -> Iterator[Sample]:
        """Points where these arguments are a millionth away from the given ones."""
        points = self.points
        for _ in range(SIDES):
            numbers = dict(points.given)
            for other in names:
                x = self.subject.arguments[other]
                if x.kind in ("float", "floats") and other not in points.keep:
                    size = max(float(np.max(np.abs(x.given), initial=0)), 1e-3)
                    moved = x.given + 1e-6 * size * points.rng.standard_normal(x.shape)
                    numbers[other] = float(moved) if x.kind == "float" else moved
            with suppress(Nothing):
                yield points.sample(numbers, {}, "random", {})

    def refuse(self, report: Report) -> None:
        """Raise for a claim that gave no numbers at the given arguments; and for one of another shape, or that does not run,
        for no known reason, if nothing else is known: no other gradient was compared."""
        given = self.points.samples[0]
        lost = [row for row in report.rows if (row.kind, row.verdict) == ("unexplained", "wrong")]
        some = any(row not in lost or is_compared(given, row.name) for row in report.rows)
        for row in report.rows:
            got = given.claimed[row.name]
            if some and (not isinstance(got, Exception) or is_misfit(got)):
                continue
            got, expected = given.claimed[row.name], given.gradient[row.name]
            if (row.kind, row.verdict) != ("unexplained", "wrong") or is_compared(given, row.name):
                continue
            others = [other for other in report.rows if other.name != row.name]
            part = next(part for part in self.parts if row.name in part.names)
            if isinstance(got, Exception):
                known = isinstance(got, (TypeError, ValueError)) and str(got).startswith(("the claim of", part.what))
                told = got if known else failure(got, part.claimed, part.what)
                if len(self.parts) == 1:
                    raise told from (None if told is got else got)
                kind = TypeError if isinstance(told, TypeError) else ValueError
                raise kind(f"{told}{others_text(others)}") from got
            example = f"np.zeros({expected.shape})" if self.points.axes else f"np.zeros_like({row.name})"
            jacobian = (
                f"f returns {shape_text(given.output)}, and the claim is a Jacobian: " if self.points.axes else ""
            )
            raise ValueError(
                f"the claimed gradient of {row.name} is {shape_text(got)}, shape {got.shape}, and should be "
                f"{shape_text(expected)}, shape {expected.shape}: {jacobian}one number for each of {row.name}, as "
                f"{example} has them{others_text(others)}"
            )

    def checked(self) -> str:
        """What was varied, in one line."""
        points = self.points
        count = len(points.samples)
        if count == 1:
            return "checked at the given arguments only"
        varied: dict[int, set[int]] = {}
        for s in points.samples:
            for n, m in s.sizes.items():
                varied.setdefault(n, {n}).add(m)
        parts = []
        if varied:
            smallest, largest = min(map(min, varied.values())), max(map(max, varied.values()))
            *most, last = map(str, sorted(varied, reverse=True))
            names = f"sizes {', '.join(most)} and {last}" if most else f"size {last}"
            parts.append(f"{names} varied from {smallest} to {largest}")
        for name, x in self.subject.arguments.items():
            tried = [s for s in points.samples if s.kind == "integers" and id(s) not in points.idle and self.counts(s)]
            found = {s.varied[name] for s in tried if name in s.varied}
            if found:
                parts.append(f"{name} {min(found | {x.given})} to {max(found | {x.given})}")
        if points.keep:
            parts.append(f"{', '.join(points.keep)} kept as given")
        if points.late():
            parts.append(f"fewer than usual, as f has {points.nodes:,} nodes: give smaller arrays")
        return f"checked at {count} points" + (f": {', '.join(parts)}" if parts else "")

    def counts(self, sample: Sample) -> bool:
        """Whether a point says something of the claim: one where it is unclear what an integer means only if all is right."""
        return id(sample) not in self.points.doubtful or all(is_right(sample, name) for name in self.points.names)


# ---- how far a claim is off ----------------------------------------------------------------------------------------


def is_compared(sample: Sample, name: str) -> bool:
    """Whether the claim gave numbers of the right shape."""
    got = sample.claimed[name]
    return not isinstance(got, Exception) and np.shape(got) == np.shape(sample.gradient[name])


def is_right(sample: Sample, name: str) -> bool:
    """Whether a claim is the gradient, entry by entry within rounding: of the entry, or of what cancelled in it."""
    if not is_compared(sample, name):
        return False
    expected = np.abs(sample.gradient[name])
    off = np.abs(sample.claimed[name] - sample.gradient[name])
    if not off.size:
        return True
    most = CLOSE * expected + ROUNDING * expected.max()
    if (off <= most).all():
        return True
    if not np.isfinite(off).all():
        return False
    cancelled = magnitudes(sample, name)
    return bool((off <= most + CANCELLED * np.where(np.isfinite(cancelled), cancelled, 0)).all())


def magnitudes(sample: Sample, name: str) -> Any:
    """How large what cancels in each entry of a gradient is: what a sweep gives of local derivatives without their signs.

    A local derivative such as tanh's, 1 - t**2, is itself a difference, of numbers as large as those of the function.
    """
    leaves = np.asarray(sample.leaves[name], dtype=object)
    rows = []
    for root in np.asarray(sample.output, dtype=object).flat:
        sums = {root: 1.0}
        for node in reversed(topological_sort(root) if isinstance(root, Value) else []):
            upstream = sums.get(node, 0.0)
            for parent, slope in zip(node.parents, node.slopes):
                if slope is not None:
                    size = abs(slope)
                    if len(node.parents) == 1:
                        size = max(size, abs(node.data) / max(abs(parent.data), 1.0))
                    sums[parent] = sums.get(parent, 0.0) + upstream * size
        rows.append([sums.get(leaf, 0.0) for leaf in leaves.flat])
    return np.reshape(rows, np.shape(sample.gradient[name]))


def magnifier(samples: Sequence[Sample], name: str) -> float:
    """A power of 2 that makes a gradient of a very small or large function about 1."""
    sizes = [np.max(np.abs(s.gradient[name]), initial=0) for s in samples]
    largest = max([size for size in sizes if np.isfinite(size)], default=0.0)
    exponent = int(np.log2(largest)) if largest > 0 else 0
    return 1.0 if abs(exponent) < SMALL else 2.0 ** -max(min(exponent, 1000), -1000)


def magnified(sample: Sample, name: str, by: float) -> Sample:
    """f, its gradient and the claim times a number."""
    if by == 1:
        return sample
    claimed = sample.claimed[name]
    return sample._replace(
        output=sample.output * by,
        leaves={name: sample.leaves[name]},
        gradient={name: sample.gradient[name] * by},
        claimed={name: claimed if isinstance(claimed, Exception) else claimed * by},
    )


def other_axis(samples: Sequence[Sample], name: str) -> str:
    """What a row of numbers has the length of, at all points, if not that of its argument: "3 rows of X"."""
    samples = [s for s in samples if not isinstance(s.claimed[name], Exception)]
    given = samples[0] if samples else None
    if given is None or any(np.ndim(s.claimed[name]) != 1 or s.gradient[name].ndim != 1 for s in samples):
        return ""
    for other, x in given.arguments.items():
        for i, n in enumerate(np.shape(x)):
            if other != name and all(len(s.claimed[name]) == np.shape(s.arguments[other])[i] for s in samples):
                return f"{n} {('rows', 'columns')[i] if np.ndim(x) == 2 else f'entries along axis {i}'} of {other}"
    return ""


def worst(samples: Sequence[Sample], name: str) -> float:
    """The largest error of a claim, relative to the gradient's largest entry; NaN if nothing can be compared."""
    errors = []
    for s in samples:
        if is_compared(s, name):
            off = float(np.max(np.abs(s.claimed[name] - s.gradient[name]), initial=0))
            size = float(np.max(np.abs(s.gradient[name]), initial=0))
            errors.append(off / size if size else off)
    return max(errors, default=float("nan"))


def far(failing: Sequence[Sample], name: str) -> str:
    """How far off a claim is, at its worst entry."""
    s = next((s for s in failing if is_compared(s, name)), failing[0])
    got, expected = s.claimed[name], s.gradient[name]
    if isinstance(got, Exception):
        reason = str(got).partition("\n")[0]
        return f"it gives no numbers: {reason:.200}"
    if got.shape != expected.shape:
        return f"it is {shape_text(got)}, shape {got.shape} instead of {expected.shape}"
    if not np.isfinite(got).all():
        at = tuple(np.argwhere(~np.isfinite(got))[0]) if got.ndim else ()
        return f"it is not finite: {got[at]}{entry(name, at)}, expected {expected[at]:.6g}"
    off = np.abs(got - expected)
    at = np.unravel_index(int(np.argmax(off)), off.shape) if off.ndim else ()
    return f"off by {off.max():.3g}{entry(name, at)}: claimed {got[at]:.6g}, expected {expected[at]:.6g}"


def entry(name: str, at: Sequence[Any]) -> str:
    """Where an entry stands; nothing for that of a number."""
    return f" at {name}[{', '.join(map(str, map(int, at)))}]" if len(at) else ""


def others_text(rows: Sequence[Row]) -> str:
    """What was found beside an error."""
    return f"\nOf the others was found:\n{Report(rows, [])}" if rows else ""


def same_numbers(x: Any, y: Any) -> bool:
    """Whether two outputs are equal within rounding: sums may be taken in another order."""
    return np.allclose(numbers_in(x), numbers_in(y), rtol=1e-7, atol=1e-9, equal_nan=True)


def same_array(x: Any, y: Any) -> bool:
    return bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))


def holds(x: Any) -> bool:
    """Whether something that f's text assigned is a Value, or an array of them."""
    return has_values(plain(x)) if isinstance(x, (Value, np.ndarray)) else False


def is_misfit(error: BaseException) -> bool:
    """Whether arrays did not fit each other, as in a product with one of them transposed."""
    cause = error.__cause__ if isinstance(error, ExpressionError) else error
    return type(cause) is ValueError and any(
        word in str(cause) for word in ("broadcast", "mismatch", "not aligned", "shape", "dimension")
    )
