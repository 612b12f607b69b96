"""Data: two small classics that come with the package, CSV files of your own, and what training needs done to them.

Everything is plain lists of floats; a Dataset is never changed, only new ones are made from it.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import random
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

from nn.words import counted, did_you_mean

__all__ = ["DataError", "Dataset", "Standardizer", "load_csv", "load_digits", "load_iris", "split"]

Task = Literal["classification", "regression"]
Record = tuple[int, list[str]]  # a row's line number and stripped cells

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "-"}  # compared in lower case
MOST_NUMERIC_CLASSES = 20


class DataError(ValueError):
    """A file that cannot be learnt from as it is; the message says where it fails and what to do.

    `columns` names those that it could be learnt from without, if leaving them out is a way.
    """

    def __init__(self, message: str, columns: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


@dataclass(frozen=True)
class Dataset:
    """Examples and what should be predicted of each.

    examples       one list of floats per example, one float per feature
    targets        classification: the index of each example's class in `class_names`; regression: a float each
    feature_names  one per feature
    target_name    what is predicted
    class_names    one per class; empty for regression
    notes          what was decided while loading, as sentences for the user
    """

    name: str
    examples: list[list[float]]
    targets: list[int] | list[float]
    feature_names: tuple[str, ...]
    target_name: str
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        """What kind of target this is: "classification" or "regression"."""
        return "classification" if self.class_names else "regression"

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, indices: Iterable[int]) -> Dataset:
        """The examples at these positions, in this order."""
        chosen = list(indices)
        return replace(
            self,
            examples=[self.examples[i] for i in chosen],
            targets=[self.targets[i] for i in chosen],
        )


def load_digits() -> Dataset:
    """1,797 handwritten digits, 8x8 pixels each, row by row, from 0.0 (paper) to 16.0 (ink); 10 classes.

    The test part of UCI's Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998); source and licence
    are in `nn/datasets/README.md`.
    """
    return replace(_load_packaged("digits.csv.gz", target="digit"), name="handwritten digits", notes=())


def load_iris() -> Dataset:
    """150 irises of 3 species, four lengths in centimetres each (Fisher, 1936; source in `nn/datasets/README.md`)."""
    return replace(_load_packaged("iris.csv", target="species"), name="irises", notes=())


def _load_packaged(filename: str, target: str) -> Dataset:
    with resources.as_file(resources.files("nn") / "datasets" / filename) as path:
        return load_csv(path, target)


def split(dataset: Dataset, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Part a dataset into (to train on, held out), the same way for the same seed on every machine.

    Classes keep their shares in both parts, as nearly as whole examples allow, and every class is in both.
    Raises ValueError if `held_out` is not between 0 and 1, or if a class (or the whole) has fewer than two examples.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is the share of examples kept for testing, above 0 and below 1; got {held_out!r}")
    groups: dict[str, list[int]] = {}
    for index, target in enumerate(dataset.targets):
        name = f"class {dataset.class_names[int(target)]!r}" if dataset.class_names else "the data set"
        groups.setdefault(name, []).append(index)
    chosen: set[int] = set()
    rng = random.Random(seed)
    for name, members in sorted(groups.items()):
        if len(members) < 2:
            raise ValueError(f"{name} has only one example: one to train on and one to hold out are needed")
        rng.shuffle(members)
        chosen.update(members[: min(max(round(len(members) * held_out), 1), len(members) - 1)])
    everything = range(len(dataset))
    return dataset.take(i for i in everything if i not in chosen), dataset.take(i for i in everything if i in chosen)


@dataclass(frozen=True)
class Standardizer:
    """Shift and scale each feature: (x - mean) / standard deviation, so that all start out equally loud.

    Learn it from the training part only (`Standardizer.of(rows)`) and use the same one everywhere.
    A feature that never changes is only shifted.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Standardizer:
        """The standardizer of these rows (divisor n). Raises ValueError if there are none or their lengths differ."""
        if not rows:
            raise ValueError("no rows to standardize by: give at least one")
        columns = list(zip(*rows, strict=True))
        means = [math.fsum(column) / len(rows) for column in columns]
        deviations = [math.dist(column, [mean] * len(rows)) for column, mean in zip(columns, means, strict=True)]
        return cls(tuple(means), tuple(d / math.sqrt(len(rows)) or 1.0 for d in deviations))

    def __call__(self, row: Sequence[float]) -> list[float]:
        """One standardized row. Raises ValueError if it has another number of features."""
        return [(x - mean) / scale for x, mean, scale in zip(row, self.means, self.scales, strict=True)]

    def inverse(self, row: Sequence[float]) -> list[float]:
        """The row that this standardized one came from."""
        return [x * scale + mean for x, mean, scale in zip(row, self.means, self.scales, strict=True)]


def load_csv(
    path: str | os.PathLike[str],
    target: str,
    *,
    task: Task | None = None,
    ignore: Collection[str] = (),
    missing: Literal["error", "drop"] = "error",
    delimiter: str | None = None,
) -> Dataset:
    """Read a table with a header line; every column but `target` and those in `ignore` becomes a feature.

    path       a CSV file in UTF-8 (plain or gzipped: `.gz`), cells optionally quoted
    target     the column to predict
    task       by default decided from the target: text, or whole numbers with few different values (at most 20, and at
               most half as many as there are rows), is classification; other numbers are regression
    missing    what to do with a row that has an empty cell (or NA, NaN, ?, null, none, -): "error" or "drop" the row
    delimiter  by default the one of comma, semicolon, tab and | that splits the header into most columns

    `notes` of the result tell what was decided. Raises FileNotFoundError, or DataError with the place of the fault.
    """
    if task not in (None, "classification", "regression"):
        raise ValueError(f'task must be "classification", "regression" or None, got {task!r}')
    if missing not in ("error", "drop"):
        raise ValueError(f'missing must be "error" or "drop", got {missing!r}')
    file = os.fspath(path)
    header, records = _read_table(file, delimiter)
    at, used = _columns(file, header, target, ignore)
    _check_features(file, header, used, records)
    records, dropped = _complete(file, header, [*used, at], records, missing)
    if len(records) < 5:
        raise DataError(
            f"{file}: only {counted(len(records), 'complete row')} of data; at least 5 are needed to learn and to test"
        )
    targets, class_names, reason = _targets(file, target, [cells[at] for _, cells in records], task)
    notes = [reason]
    if unnamed := header.count(""):
        notes.append(f"{counted(unnamed, 'column')} without a name left out (often a row number)")
    if dropped:
        notes.append(f"{counted(dropped, 'row')} with missing values dropped")
    return Dataset(
        name=os.path.basename(file),
        examples=[[_number(cells[i]) for i in used] for _, cells in records],
        targets=targets,
        feature_names=tuple(header[i] for i in used),
        target_name=target,
        class_names=class_names,
        notes=tuple(notes),
    )


def _columns(file: str, header: list[str], target: str, ignore: Collection[str]) -> tuple[int, list[int]]:
    """The position of the target, and those of the features."""
    for column in (target, *ignore):
        if column not in header:
            names = ", ".join(repr(name) for name in header if name)
            raise DataError(f"{file}: no column {column!r}{did_you_mean(column, header)}; the columns are {names}")
    if target in ignore:
        raise DataError(f"{file}: the target {target!r} cannot be ignored at the same time")
    used = [i for i, name in enumerate(header) if name and name not in ignore and name != target]
    if not used:
        raise DataError(f"{file}: no column left to predict {target!r} from")
    return header.index(target), used


def _check_features(file: str, header: list[str], used: list[int], records: list[Record]) -> None:
    """Refuse features that are not all numbers, naming every such column; missing values are another matter."""
    wrong: dict[str, list[tuple[int, str]]] = {}
    for i in used:
        for line, cells in records:
            if math.isnan(_number(cells[i])) and not _is_missing(cells[i]):
                wrong.setdefault(header[i], []).append((line, cells[i]))
    if not wrong:
        return
    places = []
    for column, [(line, cell), *others] in wrong.items():
        more = f", and {len(others):,} more" if others else ""
        places.append(f"column {column!r} ({cell!r} in line {line}{more})")
    decimal_comma = any(not math.isnan(_number(cell.replace(",", "."))) for [(_, cell), *_] in wrong.values())
    way_out = "write decimals with a point" if decimal_comma else "write numbers there (0 and 1 for no and yes, say)"
    columns = list(wrong) if len(wrong) < len(used) else []
    if columns:
        way_out += f", or leave out what is text with ignore={columns!r}"
    raise DataError(
        f"{file}: features must be finite numbers, but there is something else in {', '.join(places)}; {way_out}",
        columns,
    )


def _complete(
    file: str, header: list[str], used: list[int], records: list[Record], missing: Literal["error", "drop"]
) -> tuple[list[Record], int]:
    """The rows that lack nothing, and the number of those dropped."""
    holes = [(line, header[i]) for line, cells in records for i in used if _is_missing(cells[i])]
    if holes and missing == "error":
        line, column = holes[0]
        raise DataError(
            f"{file}, line {line}, column {column!r}: the cell is empty or says that the value is missing "
            f"({counted(len(holes), 'such cell')} in the file); fill them in, or drop those rows with "
            "missing='drop' (--missing drop)"
        )
    incomplete = {line for line, _ in holes}
    return [record for record in records if record[0] not in incomplete], len(incomplete)


def _read_table(file: str, delimiter: str | None) -> tuple[list[str], list[Record]]:
    """The column names, and the rows; blank lines are passed over."""
    try:
        with gzip.open(file, "rb") if file.endswith(".gz") else open(file, "rb") as stream:
            text = stream.read().decode("utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: there is no such file; give the path of a CSV file") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV UTF-8"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not text.strip():
        raise DataError(f"{file}: the file is empty; it needs a header line with column names, and rows of data")
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda candidate: len(_first_row(text, candidate)))
    elif len(delimiter) != 1:
        raise ValueError(f"delimiter must be a single character, got {delimiter!r}")

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: not well-formed CSV ({error}); check the quotes") from None
    (_, header), *records = rows
    if len(header) == 1:
        raise DataError(
            f"{file}: found only one column, {header[0]!r}; two or more are needed, separated by one of "
            f"{', '.join(DELIMITERS.values())}, or by what delimiter= names"
        )
    if repeated := [name for name, count in Counter(header).items() if count > 1 and name]:
        raise DataError(f"{file}: the column name {repeated[0]!r} stands more than once in the header; rename one")
    for line, cells in records:
        if len(cells) != len(header):
            raise DataError(
                f"{file}, line {line}: {len(cells)} cells, but the header names {len(header)} columns; "
                "add or remove cells, or quote a cell that contains the delimiter"
            )
    if not records:
        raise DataError(f"{file}: there is a header line but no row of data below it")
    return header, records


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        return next(row for row in csv.reader(io.StringIO(text.lstrip()), delimiter=delimiter) if row)
    except (csv.Error, StopIteration):
        return []


def _number(cell: str) -> float:
    """The finite number written in a cell; NaN if there is none."""
    try:
        number = float(cell) if "_" not in cell else math.nan  # float() reads 1_000, spreadsheets do not
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _is_missing(cell: str) -> bool:
    return cell.lower() in MISSING


def _targets(
    file: str, column: str, cells: list[str], task: Task | None
) -> tuple[list[int] | list[float], tuple[str, ...], str]:
    """The targets, the class names (none for regression) and a sentence that says why it is the one or the other."""
    numbers = [_number(cell) for cell in cells]
    numeric = not any(map(math.isnan, numbers))
    whole = numeric and all(map(float.is_integer, numbers))
    keys: list[Any] = numbers if numeric else cells
    distinct = len(set(keys))
    if distinct == 1:
        raise DataError(f"{file}: the target {column!r} is {cells[0]!r} in every row: there is nothing to learn")
    if task is None:
        few = whole and distinct <= min(MOST_NUMERIC_CLASSES, len(cells) // 2)
        task = "classification" if few or not numeric else "regression"
        kind = "text" if not numeric else "whole numbers" if whole else "numbers"
        reason = f"the target {column!r} is {kind} with {distinct} different values: {task}"
    else:
        reason = f"the target {column!r} has {distinct} different values: {task}, as asked for"
    if task == "regression":
        if not numeric:
            wrong = next(cell for cell, number in zip(cells, numbers, strict=True) if math.isnan(number))
            raise DataError(f"{file}: regression needs numbers in the target {column!r}, found {wrong!r}")
        return numbers, (), reason
    counts = Counter(keys)
    lonely = next((key for key, count in counts.items() if count == 1), None)
    if lonely is not None:
        raise DataError(
            f"{file}: the class {lonely!r} of the target {column!r} has only one example ({distinct} classes in "
            f"{len(cells)} rows), and one is needed to learn from and one to test: merge or remove rare classes, or "
            'ask for task="regression" (--task regression) if the target is a quantity'
        )
    ordered = sorted(counts)
    index = {key: i for i, key in enumerate(ordered)}
    names = tuple(str(int(key)) if whole else str(key) for key in ordered)
    return [index[key] for key in keys], names, reason
