"""A Dataset: examples and targets as plain lists; and what training needs done to it: split, standardize, batches.

A Dataset is never changed, only new ones are made from it:

    train, test = split(moons())
    scale = Standardizer.of(train.examples)  # learnt from what is trained on, and used for both
    train, test = train.map(scale), test.map(scale)
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nn import checks
from nn.words import counted

__all__ = ["DataError", "Dataset", "Standardizer", "Task", "batches", "split"]

Task = Literal["classification", "regression"]


class DataError(ValueError):
    """Data that cannot be learnt from as they are; the message says where the fault is and what to do.

    `columns` names those that a file could be learnt from without, if leaving them out is a way.
    """

    def __init__(self, message: str, columns: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


@dataclass(frozen=True, repr=False)
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

    @property
    def signs(self) -> list[float]:
        """The targets as `hinge` takes them: -1.0 for the first class and +1.0 for the second.

        Raises ValueError if there are not two classes.
        """
        if len(self.class_names) != 2:
            raise ValueError(f"signs are for two classes; {self.name!r} has {len(self.class_names)}")
        return [2.0 * target - 1.0 for target in self.targets]

    def __len__(self) -> int:
        return len(self.examples)

    def __repr__(self) -> str:
        kind = f"{len(self.class_names)} classes" if self.class_names else "regression"
        features = counted(len(self.feature_names), "feature")
        return f"<Dataset {self.name!r}: {counted(len(self), 'example')} of {features}, {kind}>"

    def take(self, indices: Iterable[int]) -> Dataset:
        """The examples at these positions, in this order."""
        chosen = list(indices)
        return replace(
            self,
            examples=[self.examples[i] for i in chosen],
            targets=[self.targets[i] for i in chosen],
        )

    def map(self, prepare: Callable[[Sequence[float]], Sequence[float]]) -> Dataset:
        """The data set with `prepare(example)` for each example, such as a Standardizer: as many features as before.

        Raises ValueError if there are more or fewer.
        """
        examples = [list(prepare(example)) for example in self.examples]
        for i, (before, after) in enumerate(zip(self.examples, examples, strict=True)):
            if len(before) != len(after):
                raise ValueError(f"example {i} has {counted(len(before), 'feature')}, but became {len(after)} numbers")
        return replace(self, examples=examples)


def split(dataset: Dataset, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Part a dataset into (to train on, held out), the same way for the same seed on every machine.

    Classes keep their shares in both parts, as nearly as whole examples allow, and every class is in both.
    Raises ValueError if `held_out` is not between 0 and 1, or if a class (or the whole) has fewer than two examples.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(f"split takes a Dataset, such as moons() or load_csv(...); got {dataset!r:.80}")
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is the share of examples kept for testing, above 0 and below 1; got {held_out!r}")
    if not len(dataset):
        raise ValueError(f"{dataset.name!r} has no examples to split")
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


def batches(
    examples: Dataset | Sequence[Any],
    targets: Sequence[Any] | None = None,
    *,
    size: int = 32,
    rng: random.Random | int | None = None,
) -> Iterator[tuple[list[Any], list[Any]]]:
    """One epoch of (examples, targets), `size` at a time, in random order: each example once, the last batch the rest.

    examples  a Dataset, or a sequence with one of the `targets` each
    rng       a `random.Random` (the same one from epoch to epoch), or a seed; by default the module `random`

    Raises ValueError for unequal lengths, no examples, or a size below 1; TypeError for targets missing or given twice.
    """
    if isinstance(examples, Dataset):
        if targets is not None:
            raise TypeError("a Dataset has its own targets: give batches(dataset), or batches(examples, targets)")
        dataset = examples
        examples, targets = dataset.examples, dataset.targets
    if targets is None:
        raise TypeError("batches needs a target for each example: give batches(examples, targets), or a Dataset")
    if len(examples) != len(targets):
        raise ValueError(f"{len(examples)} examples but {len(targets)} targets: give one target each")
    if len(examples) == 0:
        raise ValueError("no examples: give at least one")
    size = checks.whole("size", size, 1)
    order = list(range(len(examples)))
    (random.Random(rng) if isinstance(rng, int) else rng or random).shuffle(order)
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    return (([examples[i] for i in part], [targets[i] for i in part]) for part in parts)


@dataclass(frozen=True)
class Standardizer:
    """Shift and scale each feature: (x - mean) / standard deviation, so that all start out equally loud.

    Learn it from the training part only (`Standardizer.of(rows)`) and use the same one everywhere.
    A feature that never changes is only shifted, to 0.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]

    @classmethod
    def of(cls, rows: Dataset | Sequence[Sequence[float]]) -> Standardizer:
        """The standardizer of these rows, or of a Dataset's examples (divisor n). Raises ValueError if there are none, their
        lengths differ, or a feature has numbers that are not finite, or too large to add up."""
        rows = rows.examples if isinstance(rows, Dataset) else rows
        if len(rows) == 0:
            raise ValueError("no rows to standardize by: give at least one")
        if len(lengths := set(map(len, rows))) != 1:
            raise ValueError(f"the rows have different numbers of features: {sorted(lengths)}")
        means, scales = [], []
        for feature, column in enumerate(zip(*rows, strict=True)):
            constant = min(column) == max(column)  # whose computed mean may be another number, by rounding
            try:
                mean = column[0] if constant else math.fsum(column) / len(rows)
                scale = math.dist(column, [mean] * len(rows)) / math.sqrt(len(rows)) or 1.0
            except (OverflowError, ValueError):  # fsum's, of numbers that are too large, or inf and -inf
                mean = scale = math.nan
            if not (math.isfinite(mean) and math.isfinite(scale)):
                raise ValueError(
                    f"feature {feature} has numbers from {min(column)} to {max(column)}, too large or not finite: "
                    "it cannot be standardized"
                )
            means.append(mean)
            scales.append(scale)
        return cls(tuple(means), tuple(scales))

    def __call__(self, row: Sequence[float]) -> list[float]:
        """One standardized row. Raises ValueError if it has another number of features."""
        self._check(row)
        return [(x - mean) / scale for x, mean, scale in zip(row, self.means, self.scales, strict=True)]

    def inverse(self, row: Sequence[float]) -> list[float]:
        """The row that this standardized one came from. Raises ValueError as a call does."""
        self._check(row)
        return [x * scale + mean for x, mean, scale in zip(row, self.means, self.scales, strict=True)]

    def _check(self, row: Sequence[float]) -> None:
        if len(row) != len(self.means):
            raise ValueError(f"this standardizer is for rows of {counted(len(self.means), 'feature')}, got {len(row)}")
