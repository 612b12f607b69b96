"""CSV files as Datasets: what is wrong with a file is said with its name, line and column, and what to do."""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal

from nn.dataset import DataError, Dataset, Task
from nn.words import counted, did_you_mean

__all__ = ["load_csv"]

Record = tuple[int, list[str]]  # a row's (first) line number and its stripped cells

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "-"}  # compared in lower case
MOST_NUMERIC_CLASSES = 20
MOST_NAMED = 8  # columns in one sentence


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

    path       a CSV file in UTF-8 (plain or gzipped), cells optionally quoted
    target     the column to predict
    task       by default decided from the target: text, or whole numbers with few different values (at most 20, and at
               most half as many as there are rows), is classification; other numbers are regression
    missing    what to do with a row that has an empty cell (or NA, NaN, ?, null, none, -): "error" or "drop" the row
    delimiter  by default the one of comma, semicolon, tab and | that splits the header into most columns

    `notes` of the result tell what was decided, and which features are the same in every row (they stay in).
    Raises FileNotFoundError, or DataError with the place of the fault.
    """
    if task not in (None, "classification", "regression"):
        raise ValueError(f'task must be "classification", "regression" or None, got {task!r}')
    if missing not in ("error", "drop"):
        raise ValueError(f'missing must be "error" or "drop", got {missing!r}')
    if isinstance(ignore, str):
        raise TypeError(f"ignore is a list of column names, got the text {ignore!r}: write [{ignore!r}]")
    file = os.fspath(path)
    header, records = _read_table(file, delimiter)
    at, used = _columns(file, header, target, ignore)
    _check_features(file, header, used, records)
    records, dropped = _complete(file, header, [*used, at], records, missing)
    if len(records) < 5:
        raise DataError(
            f"{file}: only {counted(len(records), 'complete row')} of data; at least 5 are needed to learn and to test"
        )
    targets, class_names, reason = _targets(file, target, [(line, cells[at]) for line, cells in records], task)
    notes = [reason]
    if unnamed := header.count(""):
        notes.append(f"{counted(unnamed, 'column')} without a name left out (often a row number)")
    if dropped:
        notes.append(f"{counted(dropped, 'row')} with missing values dropped")
    examples = [[_number(cells[i]) for i in used] for _, cells in records]
    constant = [k for k, column in enumerate(zip(*examples, strict=True)) if min(column) == max(column)]
    if constant:
        notes.append(_about_constants([(header[used[k]], records[0][1][used[k]]) for k in constant]))
    return Dataset(
        name=os.path.basename(file),
        examples=examples,
        targets=targets,
        feature_names=tuple(header[i] for i in used),
        target_name=target,
        class_names=class_names,
        notes=tuple(notes),
    )


def _about_constants(columns: Sequence[tuple[str, str]]) -> str:
    """What is said of features that never change: (name, value) each."""
    if len(columns) == 1:
        [(name, value)] = columns
        return (
            f"the column {name!r} is {value} in every row and tells nothing: it stays in, as 0 once standardized "
            f"(leave it out with ignore=[{name!r}], --ignore {name})"
        )
    named = ", ".join(f"{name!r} ({value})" for name, value in columns[:MOST_NAMED])
    more = f" and {len(columns) - MOST_NAMED:,} more" if len(columns) > MOST_NAMED else ""
    return (
        f"{len(columns):,} columns are the same in every row and tell nothing: {named}{more}; they stay in, as 0 once "
        "standardized (leave them out with ignore=, --ignore)"
    )


def _columns(file: str, header: list[str], target: str, ignore: Collection[str]) -> tuple[int, list[int]]:
    """The position of the target, and those of the features."""
    for column in (target, *ignore):
        if column not in header or not column:
            names = ", ".join(repr(name) for name in header if name)
            numbers = [name for name in header if not math.isnan(_number(name))]
            hint = "; the first line should name the columns, but looks like data" if numbers else ""
            raise DataError(
                f"{file}: no column {column!r}{did_you_mean(column, header)}; the columns are {names}{hint}"
            )
    if target in ignore:
        raise DataError(f"{file}: the target {target!r} cannot be ignored at the same time")
    used = [i for i, name in enumerate(header) if name and name not in ignore and name != target]
    if not used:
        raise DataError(f"{file}: no column left to predict {target!r} from")
    return header.index(target), used


def _check_features(file: str, header: list[str], used: list[int], records: list[Record]) -> None:
    """Refuse features that are not all numbers, or all missing, naming every such column; single holes come later."""
    wrong: dict[str, list[tuple[int, str]]] = {}
    for i in used:
        for line, cells in records:
            if math.isnan(_number(cells[i])) and not _is_missing(cells[i]):
                wrong.setdefault(header[i], []).append((line, cells[i]))
    empty = [header[i] for i in used if all(_is_missing(cells[i]) for _, cells in records)]
    if empty and not wrong:
        columns = empty if len(empty) < len(used) else []
        way_out = f"leave out with ignore={columns!r}" if columns else "fill in at least one column"
        raise DataError(f"{file}: nothing but missing values in {_named(empty)}: {way_out}", columns)
    if not wrong:
        return
    places = []
    for column, [(line, cell), *others] in wrong.items():
        more = f", and {len(others):,} more" if others else ""
        places.append(f"column {column!r} ({cell!r:.60} in line {line}{more})")
    decimal_comma = any(not math.isnan(_number(cell.replace(",", "."))) for [(_, cell), *_] in wrong.values())
    way_out = "write decimals with a point" if decimal_comma else "write numbers there (0 and 1 for no and yes, say)"
    columns = [*wrong, *empty] if len(wrong) + len(empty) < len(used) else []
    if columns:
        way_out += f", or leave out what is text{' or empty' * bool(empty)} with ignore={columns!r}"
    raise DataError(
        f"{file}: features must be finite numbers, but there is something else in {', '.join(places)}; {way_out}",
        columns,
    )


def _named(columns: Sequence[str]) -> str:
    return f"column{'s' * (len(columns) != 1)} {', '.join(map(repr, columns))}"


def _complete(
    file: str, header: list[str], used: list[int], records: list[Record], missing: Literal["error", "drop"]
) -> tuple[list[Record], int]:
    """The rows that lack nothing, and the number of those dropped."""
    holes = [(line, header[i], cells[i]) for line, cells in records for i in used if _is_missing(cells[i])]
    if holes and missing == "error":
        line, column, cell = holes[0]
        raise DataError(
            f"{file}, line {line}, column {column!r}: "
            + (f"{cell!r} says that the value is missing" if cell else "the cell is empty")
            + f" ({counted(len(holes), 'missing value')} in the file); fill them in, or drop those rows with "
            "missing='drop' (--missing drop)"
        )
    incomplete = {line for line, _, _ in holes}
    return [record for record in records if record[0] not in incomplete], len(incomplete)


def _read_table(file: str, delimiter: str | None) -> tuple[list[str], list[Record]]:
    """The column names, and the rows; blank lines are passed over."""
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"delimiter must be a single character, got {delimiter!r}")
    text = _read_text(file)
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda candidate: len(_first_row(text, candidate)))
    (first, header), *records = _rows(file, text, delimiter)
    for line, cells in ((first, header), *records):
        _check_text(file, line, cells, header)
    if len(header) == 1:
        raise DataError(
            f"{file}: found only one column, {header[0]!r:.60}; two or more are needed, separated by one of "
            f"{', '.join(DELIMITERS.values())}, or by what delimiter= names"
        )
    if repeated := [name for name, count in Counter(header).items() if count > 1 and name]:
        raise DataError(
            f"{file}, line {first}: the column name {repeated[0]!r} stands more than once in the header; rename one"
        )
    if not records:
        raise DataError(f"{file}: there is a header line but no row of data below it")
    if all(len(cells) == len(header) + 1 and not cells[-1] for _, cells in records):  # each row ends with a delimiter
        records = [(line, cells[:-1]) for line, cells in records]
    _check_lengths(file, header, records)
    return header, records


def _check_lengths(file: str, header: list[str], records: list[Record]) -> None:
    """Refuse rows that are longer or shorter than the header."""
    ragged = [(line, cells) for line, cells in records if len(cells) != len(header)]
    if not ragged:
        return
    line, cells = ragged[0]
    if len(cells) < len(header):
        what = f"none for {_named(header[len(cells) :])}"
    else:
        what = f"no column for {cells[len(header)]!r:.60}"
    if len(ragged) == len(records):
        way_out = "all rows differ from the header: give each column a name, and nothing else"
    else:
        way_out = "add or remove cells, or quote a cell that contains the delimiter"
        way_out += f" ({counted(len(ragged), 'such row')})"
    raise DataError(
        f"{file}, line {line}: {counted(len(cells), 'cell')}, but the header names {len(header)} columns: {what}; {way_out}"
    )


def _read_text(file: str) -> str:
    """What is in the file. Bytes that are not UTF-8 become surrogates, so that their line and column can be told."""
    try:
        with open(file, "rb") as stream:
            content = stream.read()
        if file.endswith(".gz") or content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: there is no such file; give the path of a CSV file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(
            f"{file}: this is a workbook or an archive, not CSV text; open it and save the table as CSV UTF-8"
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{file}: not UTF-8 text but UTF-16; save it as CSV UTF-8")
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{file}: the file is empty; it needs a header line with column names, and rows of data")
    return text


def _rows(file: str, text: str, delimiter: str) -> list[Record]:
    """The rows that are not blank, the header first."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{file}, line {line}: the row that begins here is not well-formed CSV ({error}); check its quotes"
        ) from None
    if not rows:
        raise DataError(f"{file}: the file has no cell with anything in it; it needs a header line and rows of data")
    return rows


def _check_text(file: str, line: int, cells: list[str], header: list[str]) -> None:
    """Refuse a row with bytes that are not UTF-8 text, or with NUL characters."""
    for i, cell in enumerate(cells):
        if cell.isascii() and "\0" not in cell:
            continue
        column = f", column {header[i]!r}" if i < len(header) and cells is not header and header[i] else ""
        if "\0" in cell:
            raise DataError(
                f"{file}, line {line}{column}: a NUL character, so this is not plain text; save it as CSV UTF-8"
            )
        content = cell.encode("utf-8", "surrogateescape")
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file}, line {line}{column}: not UTF-8 text (byte 0x{content[error.start]:02x}); save it as CSV UTF-8. "
                f"In Latin-1 it would read {content.decode('latin-1')!r:.60}"
            ) from None


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
    file: str, column: str, cells: list[tuple[int, str]], task: Task | None
) -> tuple[list[int] | list[float], tuple[str, ...], str]:
    """The targets, the class names (none for regression) and a sentence that says why it is the one or the other.

    `cells` are the target's (line, text).
    """
    numbers = [_number(cell) for _, cell in cells]
    texts = [(line, cell) for (line, cell), number in zip(cells, numbers, strict=True) if math.isnan(number)]
    numeric = not texts
    whole = numeric and all(map(float.is_integer, numbers))
    keys: list[Any] = numbers if numeric else [cell for _, cell in cells]
    distinct = len(set(keys))
    if distinct == 1:
        raise DataError(
            f"{file}: the target {column!r} is {cells[0][1]!r:.60} in every row (lines {cells[0][0]} to {cells[-1][0]}): "
            "with a single class, or value, there is nothing to learn"
        )
    if task is None:
        few = whole and distinct <= min(MOST_NUMERIC_CLASSES, len(cells) // 2)
        task = "classification" if few or not numeric else "regression"
        kind = "text" if not numeric else "whole numbers" if whole else "numbers"
        reason = f"the target {column!r} is {kind} with {distinct} different values: {task}"
    else:
        reason = f"the target {column!r} has {distinct} different values: {task}, as asked for"
    if task == "regression":
        if texts:
            line, wrong = texts[0]
            raise DataError(
                f"{file}, line {line}, column {column!r}: regression needs finite numbers in the target, found {wrong!r:.60}"
            )
        return numbers, (), reason
    counts = Counter(keys)
    lonely = next((i for i, key in enumerate(keys) if counts[key] == 1), None)
    if lonely is not None and 0 < len(texts) < len(cells) / 2:
        line, wrong = texts[0]
        raise DataError(
            f"{file}, line {line}, column {column!r}: the target is {wrong!r:.60} here, but a number in most rows; write a "
            f"number ({counted(len(texts), 'such cell')})"
        )
    if lonely is not None:
        raise DataError(
            f"{file}, line {cells[lonely][0]}: the class {cells[lonely][1]!r:.60} of the target {column!r} has only one "
            f"example ({distinct} classes in {len(cells)} rows), and one is needed to learn from and one to test: merge or "
            'remove rare classes, or ask for task="regression" (--task regression) if the target is a quantity'
        )
    ordered = sorted(counts)
    index = {key: i for i, key in enumerate(ordered)}
    names = tuple(str(int(key)) if whole else str(key) for key in ordered)
    return [index[key] for key in keys], names, reason
