"""Data: two small classics that come with the package, data made by formulas, and CSV files of your own.

Everything is plain lists of floats; a Dataset is never changed, only new ones are made from it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

from nn.dataset import DataError, Dataset, Standardizer, Task, batches, split
from nn.synthetic import circles, linear, moons, spirals, xor
from nn.tables import load_csv

__all__ = ["DataError", "Dataset", "Standardizer", "Task", "batches", "circles", "linear", "load_csv", "load_digits"]
__all__ += ["load_iris", "moons", "spirals", "split", "xor"]


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
