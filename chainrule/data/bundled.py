"""The data sets that come with the package, by name, as tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import resources

import numpy as np

from chainrule.data.csv_file import read_text
from chainrule.data.digits import load_digits5k
from chainrule.data.generators import PLANE
from chainrule.data.table import Column, Table
from chainrule.records import dataclass


@dataclass(frozen=True)
class Bundled:
    """A data set that needs no file of the user's.

    Attributes:
        title: what it is called.
        target: the column to predict.
        row: what one of its rows is.
        make: gives the table.
    """

    title: str
    target: str
    row: str
    make: Callable[[], Table]


def load(name: str) -> Table:
    """A bundled data set as a table: heart, digits5k, moons, circles, xor, spirals or blobs.

    >>> load("heart").names[-1], load("moons").names
    ('disease', ('x1', 'x2', 'class'))
    """
    return BUNDLED[name].make()


def load_heart() -> Table:
    """Statlog (Heart): 270 patients, 13 clinical features, and whether the heart is diseased.

    Numeric: age (years), rest_bp (mm Hg), cholesterol (mg/dl), max_heart_rate (beats per minute),
    st_depression (mm), major_vessels (0 to 3). Categorical: sex, chest_pain, fasting_blood_sugar
    (above 120 mg/dl or not), rest_ecg, exercise_angina, slope, thal. Target: disease (yes, no).

    UCI Machine Learning Repository, data set 145, CC BY 4.0.

    >>> table = load_heart()
    >>> len(table), table.categories("disease").count("yes")
    (270, 120)
    """
    file = "heart.csv"
    text = resources.files("chainrule.data").joinpath("files", file).read_text("utf-8")
    return read_text(text, file)


def _digits() -> Table:
    """Each image as 784 columns of grey values, and its label."""
    images, labels = load_digits5k()
    pixels = images.reshape(len(images), -1).astype(np.float64)
    cells: dict[str, Column] = {f"pixel_{k}": column for k, column in enumerate(pixels.T)}
    cells["digit"] = labels.astype(np.float64)
    return _numbers("digits5k", cells)


def _plane(name: str) -> Table:
    """A problem in the plane, drawn with its own defaults."""
    x, y = PLANE[name](400)
    classes = tuple("ABCDEFGH"[k] for k in y)
    return _numbers(name, {"x1": x[:, 0], "x2": x[:, 1], "class": classes})


def _numbers(name: str, cells: dict[str, Column]) -> Table:
    rows = len(next(iter(cells.values())))
    return Table(name, tuple(cells), cells, tuple(range(1, rows + 1)))


# The source and the licence of each are in files/LICENSES.md.
BUNDLED = {
    "heart": Bundled("Statlog (Heart)", "disease", "patient", load_heart),
    "digits5k": Bundled("5,000 digits of MNIST", "digit", "image", _digits),
    **{
        name: Bundled(f"{name} in the plane", "class", "point", partial(_plane, name))
        for name in PLANE
    },
}
