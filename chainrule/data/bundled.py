"""The data sets that come with the package, by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from chainrule.data.csv_file import read_text
from chainrule.data.table import Table


@dataclass(frozen=True)
class Bundled:
    """A data set inside the package: its file, what it is called, and the column to predict."""

    file: str
    title: str
    target: str
    row: str


# The source and the licence of each are in files/LICENSES.md.
BUNDLED = {"heart": Bundled("heart.csv", "Statlog (Heart)", "disease", "patient")}


def load(name: str) -> Table:
    """Read a bundled data set.

    >>> load("heart").names[-1]
    'disease'
    """
    file = BUNDLED[name].file
    text = resources.files("chainrule.data").joinpath("files", file).read_text("utf-8")
    return read_text(text, file)


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
    return load("heart")
