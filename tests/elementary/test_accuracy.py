"""Value and derivative of every pointwise function within 4 ulp of mpmath, over its domain.

Where the exact derivative crosses zero because its terms cancel (the slopes of gelu, silu, sinc and
of the cross-entropy, the values of logaddexp where the sum is near 1), no formula in float64 has
4 ulp of the result; there the error is measured in ulp of the largest term (``truth.TERMS``).
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr
from chainrule.elementary import TABLE
from chainrule.elementary.base import Pointwise
from tests.elementary.truth import TERMS, TRUTH

LIMIT = 4.0
RECORDS = [f for f in TABLE.values() if isinstance(f, Pointwise) and not f.is_step]


@pytest.fixture(autouse=True)
def _many_digits() -> Any:
    with mp.workdps(40):
        yield


def draw(low: float, high: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Half of the points uniform, half log-uniform in magnitude, of both signs if both occur."""
    if low == high:
        return np.full(2 * n, low)
    even = rng.uniform(max(low, -1e4), min(high, 1e4), n)
    smallest = low if low > 0 else 1e-12
    size = np.exp(rng.uniform(np.log(smallest), np.log(max(abs(low), abs(high))), n))
    sign = rng.choice([-1.0, 1.0], n) if low < 0 < high else np.sign(low + high)
    return np.concatenate([even, np.clip(size * sign, low, high)])


def ulps(actual: Any, exact: Any, term: Any) -> float:
    """The error in units of the last place of the result, or of its largest term."""
    size = float(max(abs(exact), abs(term)))
    if size < 1e-300 or size > 1.7e308:  # subnormal numbers have fewer digits
        return 0.0
    return float(abs(mp.mpf(float(actual)) - exact) / mp.mpf(float(np.spacing(size))))


def outputs(fn: Pointwise, args: Any) -> list[Any]:
    """The value and the partial derivatives; None for one that is zero wherever it exists."""
    with np.errstate(all="ignore"):
        y = fn.value(*args)
        partials = [p(y, *args) if callable(p) else p for p in fn.partials]
    return [y, *(None if p is None else np.broadcast_to(p, np.shape(y)) for p in partials)]


def worst(fn: Pointwise, args: Any) -> dict[int, tuple[float, Any]]:
    """For each output the largest error and where it is."""
    found = {}
    for k, got in enumerate(outputs(fn, args)):
        if got is None:
            continue
        truth, terms = TRUTH[fn.name][k], TERMS.get((fn.name, k))
        errors = []
        for *x, g in zip(*args, got, strict=True):
            exact = [mp.mpf(float(v)) for v in x]
            errors.append(ulps(g, truth(*exact), terms(*exact) if terms else 0))
        at = int(np.argmax(errors))
        found[k] = (errors[at], [float(a[at]) for a in args])
    return found


@pytest.mark.parametrize("fn", RECORDS, ids=lambda f: f.name)
def test_value_and_derivative(fn: Pointwise) -> None:
    rng = np.random.default_rng(5)
    n = 40 if fn.name == "polygamma" else 150
    args = [draw(low, high, n, rng) for low, high in fn.domain]
    for k, (error, at) in worst(fn, args).items():
        what = "the value" if k == 0 else f"derivative {k}"
        assert error <= LIMIT, f"{what} of {fn.name} is off by {error:.1f} ulp at {at}"


@pytest.mark.parametrize("fn", RECORDS, ids=lambda f: f.name)
def test_every_record_has_a_truth(fn: Pointwise) -> None:
    assert len(TRUTH[fn.name]) == 1 + len(fn.partials)


# The hard places: saturation, zeros, and neighbourhoods where textbook forms lose their digits.
TAILS = np.array([1e-9, 0.1, 1.0, 10.0, 36.0, 37.5, 100.0, 300.0, 600.0])
HARD: dict[str, Any] = {
    "sigmoid": np.concatenate([-TAILS, TAILS]),
    "log_sigmoid": np.concatenate([-TAILS, TAILS]),
    "softplus": np.concatenate([-TAILS, TAILS]),
    "silu": np.concatenate([-TAILS, TAILS]),
    "tanh": np.concatenate([-TAILS / 2, TAILS / 2]),
    "elu": np.concatenate([-TAILS, TAILS]),
    "gelu": np.linspace(-37.0, 37.0, 149),
    "norm_cdf": np.linspace(-37.0, 9.0, 151),
    "erfc": np.linspace(-6.0, 26.0, 161),
    "erf": np.concatenate([10.0 ** -np.arange(1.0, 300.0, 13.0), np.linspace(0.1, 6.0, 60)]),
    "gammaln": np.concatenate(
        [1 + s * 10.0 ** -np.arange(1.0, 16.0) for s in (-1, 1)]
        + [2 + s * 10.0 ** -np.arange(1.0, 16.0) for s in (-1, 1)]
        + [np.linspace(0.4, 2.7, 100)]
    ),
    "digamma": np.concatenate([np.linspace(1.4, 1.5, 101), 10.0 ** np.arange(-3.0, 4.0)]),
    "sinc": np.concatenate(
        [np.arange(-5.0, 6.0)]
        + [k + s * 10.0 ** -np.arange(1.0, 17.0) for k in (0, 1, 2, -3) for s in (-1, 1)]
        + [np.linspace(0.45, 0.55, 21)]
    ),
    "cospi": np.concatenate(
        [k / 2 + s * 10.0 ** -np.arange(1.0, 17.0) for k in range(-3, 4) for s in (-1, 1)]
    ),
    "log1p": np.concatenate([10.0 ** -np.arange(1.0, 300.0, 13.0), -(10.0 ** -np.arange(1.0, 16))]),
    "expm1": np.concatenate([10.0 ** -np.arange(1.0, 300.0, 13.0), -TAILS]),
    "arccos": 1 - 10.0 ** -np.arange(1.0, 16.0),
    "arccosh": 1 + 10.0 ** -np.arange(1.0, 15.0),
    "arctanh": 1 - 10.0 ** -np.arange(1.0, 16.0),
    "sech2": np.concatenate([-TAILS / 2, TAILS / 2]),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_places(name: str) -> None:
    fn: Any = TABLE[name]
    x = np.asarray(HARD[name])
    args = [x] if len(fn.partials) == 1 else [x, np.full(x.shape, 1.25)]
    for k, (error, at) in worst(fn, args).items():
        assert error <= LIMIT, f"output {k} of {name} is off by {error:.1f} ulp at {at}"


def test_saturation_of_the_sigmoid() -> None:
    """At ±800 σ is 0 or 1, its logarithms are exact, and no warning is raised."""
    x = np.array([-800.0, 800.0])
    np.testing.assert_array_equal(cr.sigmoid(x), [0.0, 1.0])
    np.testing.assert_array_equal(cr.log_sigmoid(x), [-800.0, 0.0])
    np.testing.assert_array_equal(cr.softplus(x), [0.0, 800.0])
    np.testing.assert_array_equal(cr.sigmoid_cross_entropy(x, [1.0, 0.0]), [800.0, 800.0])
    np.testing.assert_array_equal(cr.sigmoid_cross_entropy(x, [0.0, 1.0]), [0.0, 0.0])
    for f, slope in (
        (cr.sigmoid, [0.0, 0.0]),
        (cr.log_sigmoid, [1.0, 0.0]),
        (cr.softplus, [0.0, 1.0]),
        (lambda z: cr.sigmoid_cross_entropy(z, np.array([1.0, 0.0])), [-1.0, 1.0]),
        (lambda z: cr.sigmoid_cross_entropy(z, np.array([0.0, 1.0])), [0.0, 0.0]),
    ):
        np.testing.assert_array_equal(cr.grad(lambda z, f=f: f(z).sum())(x), slope)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_cross_entropy_of_confident_logits(label: float) -> None:
    z = np.concatenate([-TAILS, TAILS])
    f: Any = TABLE["sigmoid_cross_entropy"]
    for k, (error, at) in worst(f, [z, np.full(z.shape, label)]).items():
        assert error <= LIMIT, f"output {k} is off by {error:.1f} ulp at {at}"


ROWS = [
    [40.0, 0.0, -3.0],
    [0.0, 40.0, 41.0],
    [-500.0, 200.0, 199.0],
    [1e-9, 0.0, -1e-9],
    [700.0, -20.0, 3.0],
    [35.0, 0.1, 0.2],
    [1.0, 1.0, 1.0],
]


def exact_softmax(row: list[float]) -> list[Any]:
    powers = [mp.exp(mp.mpf(v)) for v in row]
    return [p / sum(powers) for p in powers]


@pytest.mark.parametrize("row", ROWS)
def test_softmax_family(row: list[float]) -> None:
    """Values and derivatives of confident rows, in ulp of each result."""
    x = np.array(row)
    with mp.workdps(700):
        p = exact_softmax(row)
        logs = [mp.log(v) for v in p]
        total = mp.log(sum(mp.exp(mp.mpf(v)) for v in row))
        for k in range(3):
            assert ulps(cr.softmax(x)[k], p[k], 0) <= LIMIT
            assert ulps(cr.log_softmax(x)[k], logs[k], 0) <= LIMIT
        assert ulps(cr.logsumexp(x), total, 0) <= LIMIT
        slope = cr.grad(cr.logsumexp)(x)
        for k in range(3):
            assert ulps(slope[k], p[k], 0) <= LIMIT
        for label in range(3):
            loss, slope = cr.value_and_grad(lambda z, y=label: cr.softmax_cross_entropy(z, y))(x)
            assert ulps(loss, -logs[label], 0) <= LIMIT
            for k in range(3):
                exact = p[k] - (k == label)
                assert ulps(slope[k], exact, 0) <= LIMIT


@pytest.mark.parametrize("row", ROWS)
def test_soft_targets(row: list[float]) -> None:
    """With soft targets the slope p − t crosses zero: measured in ulp of its largest term."""
    x, t = np.array(row), np.array([0.5, 0.25, 0.25])
    loss, slope = cr.value_and_grad(cr.softmax_cross_entropy)(x, t)
    with mp.workdps(700):
        p = exact_softmax(row)
        exact = -sum(mp.mpf(float(w)) * mp.log(v) for w, v in zip(t, p, strict=True))
        assert ulps(loss, exact, 0) <= LIMIT
        for k in range(3):
            assert ulps(slope[k], p[k] - mp.mpf(float(t[k])), max(p[k], mp.mpf(float(t[k])))) <= 4


@pytest.mark.parametrize("n", [1.0, 2.0, 3.0])
def test_polygamma_between_series_and_asymptotics(n: float) -> None:
    """Where the terms of the series and of its tail weigh alike their roundings add up."""
    x = np.random.default_rng(8).uniform(4.0, 14.0, 150)
    for k, (error, at) in worst(TABLE["polygamma"], [np.full(x.shape, n), x]).items():
        assert error <= LIMIT, f"output {k} is off by {error:.1f} ulp at {at}"
