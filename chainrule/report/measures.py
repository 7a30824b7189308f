"""How good predictions are, with the uncertainty that comes from having so few rows.

Standard errors are those of a mean over independent rows, s/√n; of a function of means, by the
delta method; of the area under the ROC curve, by DeLong's.
"""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.records import dataclass

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
BINS = 10


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error (NaN where one row is all there is)."""

    value: float
    error: float


def mean(values: ArrayLike) -> Estimate:
    """The mean over rows, and s/√n.

    >>> mean([1.0, 0.0, 1.0, 1.0])
    Estimate(value=0.75, error=0.25)
    """
    x = np.asarray(values, float)
    return Estimate(float(x.mean()), _error(x))


def _error(x: Array) -> float:
    with np.errstate(over="ignore"):  # losses of a training that ran away
        return float(x.std(ddof=1) / sqrt(len(x))) if len(x) > 1 else float("nan")


# Classes ------------------------------------------------------------------------------------------


def confusion(truth: ArrayLike, found: ArrayLike, classes: int) -> Counts:
    """How many rows of each class (first axis) were taken for each (second axis).

    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(truth, np.intp), np.asarray(found, np.intp)), 1)
    return table


@dataclass(frozen=True)
class Curve:
    """The ROC and the precision-recall curve: one point for each threshold, from the highest.

    The first point is above all scores, where nothing is called positive and precision, which is
    0/0 there, is set to 1.

    Attributes:
        threshold: rows with at least this score are called positive.
        false_positive, true_positive: rates; the second is recall too.
        precision: of the rows called positive, the share that is.
    """

    threshold: Array
    false_positive: Array
    true_positive: Array
    precision: Array

    @property
    def average_precision(self) -> float:
        """Σ (recall step) × precision, the area under the curve in steps.

        Source: Manning, Raghavan & Schütze, *Introduction to Information Retrieval* (2008), 8.4.
        """
        return float(np.sum(np.diff(self.true_positive) * self.precision[1:]))


def curve(real: ArrayLike, score: ArrayLike) -> Curve:
    """All thresholds of a score for rows that are positive (True) or not.

    Source: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006).

    >>> c = curve([True, False, True], [0.9, 0.6, 0.6])
    >>> c.true_positive.tolist(), c.false_positive.tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.0, 1.0])
    """
    y, s = np.asarray(real, bool), np.asarray(score, float)
    order = np.argsort(-s, kind="stable")
    y, s = y[order], s[order]
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)  # rows of equal score go together
    hits, called = np.cumsum(y)[last], last + 1.0
    positives = max(int(y.sum()), 1)
    negatives = max(int((~y).sum()), 1)
    return Curve(
        np.append(np.inf, s[last]),
        np.append(0.0, (called - hits) / negatives),
        np.append(0.0, hits / positives),
        np.append(1.0, hits / called),
    )


def area(real: ArrayLike, score: ArrayLike) -> Estimate | None:
    """The area under the ROC curve, P(score of a positive > of a negative) + ½ P(equal).

    None where one of the classes is absent.

    Source: DeLong, DeLong & Clarke-Pearson, "Comparing the areas under two or more correlated
    receiver operating characteristic curves", Biometrics 44 (1988), for the standard error.

    >>> area([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8]).value
    0.875
    """
    y, s = np.asarray(real, bool), np.asarray(score, float)
    positive, negative = np.sort(s[y]), np.sort(s[~y])
    if not (len(positive) and len(negative)):
        return None

    def share_below(values: Array, of: Array) -> Array:
        """The share of ``of`` below each value, equal ones counted half."""
        sides = [np.searchsorted(of, values, side) for side in ("left", "right")]
        return (sides[0] + sides[1]) / (2.0 * len(of))

    above = share_below(positive, negative)
    below = 1.0 - share_below(negative, positive)
    return Estimate(float(above.mean()), sqrt(_square(_error(above)) + _square(_error(below))))


def _square(x: float) -> float:
    return x * x


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies in one tenth of the scale.

    Attributes:
        low, high: the ends of the tenth.
        count: how many rows.
        predicted: their mean probability.
        observed: how often it came true.
        interval: Wilson's 95% interval of that.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities mean what they say.

    Attributes:
        bins: those that hold rows.
        error: the expected calibration error, Σ (n_b/n)·|observed − predicted|.
        by_chance: what it would be, on average, were every probability right.
    """

    bins: list[Bin]
    error: float
    by_chance: float


def calibration(probability: ArrayLike, came_true: ArrayLike, bins: int = BINS) -> Calibration:
    """Predicted probabilities against observed frequencies, in bins of equal width.

    On few rows the error is above 0 even for probabilities that are right: in a bin the frequency
    then differs from the mean probability by √(2/π)·√(Σ p(1 − p))/n_b on average, up to the normal
    approximation.

    Source: Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI (2015), for the error; Wilson (1927) for the intervals.

    >>> found = calibration([0.9, 0.9, 0.2, 0.2], [1, 0, 0, 0])
    >>> [(b.count, b.observed) for b in found.bins], round(found.error, 3)
    ([(2, 0.0), (2, 0.5)], 0.3)
    """
    p, true = np.asarray(probability, float), np.asarray(came_true, bool)
    place = np.minimum((p * bins).astype(int), bins - 1)
    found, error, chance = [], 0.0, 0.0
    for b in np.unique(place).tolist():
        mine = place == b
        n = int(mine.sum())
        predicted, hits = float(p[mine].mean()), int(true[mine].sum())
        found.append(
            Bin(b / bins, (b + 1) / bins, n, predicted, hits / n, wilson(hits, n))
        )  # fmt: skip
        error += n / len(p) * abs(hits / n - predicted)
        chance += sqrt(2.0 / pi * float(np.sum(p[mine] * (1.0 - p[mine])))) / len(p)
    return Calibration(found, error, chance)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927).

    >>> [round(v, 4) for v in wilson(0, 10)]
    [0.0, 0.2775]
    """
    z = 1.959963984540054
    share, wide = hits / n, z * z / n
    middle = (share + wide / 2) / (1 + wide)
    half = z * sqrt(share * (1 - share) / n + wide / (4 * n)) / (1 + wide)
    return max(middle - half, 0.0), min(middle + half, 1.0)


# Numbers ------------------------------------------------------------------------------------------


def root_mean_square(errors: ArrayLike) -> Estimate:
    """√(mean e²), with the standard error SE(mean e²)/(2·RMSE).

    >>> root_mean_square([1.0, -1.0, 1.0]).value
    1.0
    """
    square = mean(np.square(np.asarray(errors, float)))
    value = sqrt(square.value)
    return Estimate(value, square.error / (2.0 * value) if value else 0.0)


def explained(truth: ArrayLike, predicted: ArrayLike) -> Estimate | None:
    """R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)²; None where all y are equal.

    The standard error is that of a ratio of means: of (1 − R²)·(y − ȳ)² − (y − ŷ)² over the mean of
    (y − ȳ)².
    """
    y, found = np.asarray(truth, float), np.asarray(predicted, float)
    around = np.square(y - y.mean())
    if not around.any():
        return None
    square = np.square(y - found)
    rest = float(square.mean() / around.mean())
    return Estimate(1.0 - rest, _error((rest * around - square) / around.mean()))


__all__ = [
    "Bin",
    "Calibration",
    "Curve",
    "Estimate",
    "area",
    "calibration",
    "confusion",
    "curve",
    "explained",
    "mean",
    "root_mean_square",
    "wilson",
]
