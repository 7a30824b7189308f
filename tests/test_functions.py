"""The public network and special functions: arguments of every kind, values, kinks, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

import chainrule as cr
from tests.differences import check

X = np.array([[-3.0, -0.5, 0.2], [0.7, 2.0, 30.0]])
POSITIVE = np.array([0.3, 1.0, 2.5, 40.0])

# Truth for each function: SciPy or the plain formula at arguments where that is exact.
TRUTH: dict[str, tuple[Any, Any, Any]] = {
    "sigmoid": (cr.sigmoid, scipy.special.expit, X),
    "log_sigmoid": (cr.log_sigmoid, scipy.special.log_expit, X),
    "softplus": (cr.softplus, lambda x: np.log1p(np.exp(x)), X),
    "relu": (cr.relu, lambda x: np.where(x > 0, x, 0), X),
    "leaky_relu": (cr.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), X),
    "leaky_relu slope": (
        lambda x: cr.leaky_relu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * x), X,
    ),
    "elu": (cr.elu, lambda x: np.where(x > 0, x, np.expm1(x)), X),
    "elu alpha": (
        lambda x: cr.elu(x, alpha=2), lambda x: np.where(x > 0, x, 2 * np.expm1(x)), X,
    ),
    "selu": (
        cr.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        X,
    ),
    "gelu": (cr.gelu, lambda x: x * scipy.special.ndtr(x), X),
    "gelu approximate": (
        lambda x: cr.gelu(x, approximate=True),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        X,
    ),
    "silu": (cr.silu, lambda x: x * scipy.special.expit(x), X),
    "softmax": (cr.softmax, lambda x: scipy.special.softmax(x, axis=-1), X),
    "softmax axis": (
        lambda x: cr.softmax(x, axis=0), lambda x: scipy.special.softmax(x, axis=0), X,
    ),
    "log_softmax": (cr.log_softmax, lambda x: scipy.special.log_softmax(x, axis=-1), X),
    "logsumexp": (cr.logsumexp, scipy.special.logsumexp, X),
    "logsumexp axis": (
        lambda x: cr.logsumexp(x, axis=0, keepdims=True),
        lambda x: scipy.special.logsumexp(x, axis=0, keepdims=True),
        X,
    ),
    "logsumexp axes": (
        lambda x: cr.logsumexp(x, axis=(0, 1)), lambda x: scipy.special.logsumexp(x), X,
    ),
    "erf": (cr.erf, scipy.special.erf, X),
    "erfc": (cr.erfc, scipy.special.erfc, X / 10),
    "gammaln": (cr.gammaln, scipy.special.gammaln, POSITIVE),
    "digamma": (cr.digamma, scipy.special.digamma, POSITIVE),
    "polygamma": (
        lambda x: cr.polygamma(2, x), lambda x: scipy.special.polygamma(2, x), POSITIVE,
    ),
    "xlogy": (lambda x: cr.xlogy(x, x), lambda x: scipy.special.xlogy(x, x), POSITIVE),
    "sigmoid_cross_entropy": (
        lambda x: cr.sigmoid_cross_entropy(x, [0.0, 1.0, 0.3]),
        lambda x: -(
            np.array([0.0, 1.0, 0.3]) * scipy.special.log_expit(x)
            + (1 - np.array([0.0, 1.0, 0.3])) * scipy.special.log_expit(-x)
        ),
        X,
    ),
    "softmax_cross_entropy labels": (
        lambda x: cr.softmax_cross_entropy(x, [2, 0]),
        lambda x: -scipy.special.log_softmax(x, axis=-1)[[0, 1], [2, 0]],
        X,
    ),
    "softmax_cross_entropy soft": (
        lambda x: cr.softmax_cross_entropy(x, [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]),
        lambda x: -(
            scipy.special.log_softmax(x, axis=-1) * [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]
        ).sum(-1),
        X,
    ),
    "softmax_cross_entropy axis": (
        lambda x: cr.softmax_cross_entropy(x, [1, 0, 1], axis=0),
        lambda x: -scipy.special.log_softmax(x, axis=0)[[1, 0, 1], [0, 1, 2]],
        X,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("f", "truth", "x"), TRUTH.values(), ids=TRUTH)
def test_values_and_derivatives(f: Any, truth: Any, x: Any) -> None:
    np.testing.assert_allclose(f(x), truth(x), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(f(x.tolist()), f(x))
    assert f(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(f(x.astype(np.float32)), truth(x), rtol=2e-5, atol=1e-7)
    check(f, x)


@pytest.mark.parametrize(("f", "truth", "x"), TRUTH.values(), ids=TRUTH)
def test_integers_are_taken_as_floats(f: Any, truth: Any, x: Any) -> None:
    whole = np.array([[1, 2, 3], [2, 1, 1]])
    np.testing.assert_array_equal(f(whole), f(whole.astype(float)))
    mask = cr.value_and_grad(lambda a: (a.sum(), f(a > 0)), has_aux=True)(X)[0][1]
    np.testing.assert_array_equal(mask, f((X > 0).astype(float)))


def test_python_numbers() -> None:
    assert cr.sigmoid(0) == 0.5
    assert cr.relu(-3) == 0.0
    assert np.ndim(cr.gelu(1.0)) == 0
    assert cr.grad(cr.softplus)(0) == 0.5
    assert cr.grad(lambda x: cr.logsumexp([x, 0.0]))(0.0) == 0.5


def test_parameters_of_activations_have_derivatives() -> None:
    check(lambda x, s: cr.leaky_relu(x, s), X, np.float64(0.2))
    check(lambda x, s: cr.elu(x, s), X / 10, np.array([0.5, 1.0, 1.5]))


def test_soft_targets_have_derivatives() -> None:
    t = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
    check(lambda z, t: cr.softmax_cross_entropy(z, t), X / 10, t)
    check(lambda z, t: cr.sigmoid_cross_entropy(z, t), X / 10, t)


def test_slopes_at_kinks() -> None:
    assert cr.grad(cr.relu)(0.0) == 0.0
    assert cr.grad(cr.leaky_relu)(0.0) == 0.01
    assert cr.grad(lambda x: cr.leaky_relu(x, 3.0))(0.0) == 1.0
    assert cr.grad(lambda x: cr.leaky_relu(x, -0.5))(0.0) == 0.0
    assert cr.grad(lambda x: cr.elu(x, 0.5))(0.0) == 0.5
    assert cr.grad(lambda x: cr.elu(x, 2.0))(0.0) == 1.0
    assert cr.grad(cr.selu)(0.0) == pytest.approx(1.0507009873554805)


def test_one_class_and_rows_of_minus_infinity() -> None:
    np.testing.assert_array_equal(cr.softmax([[3.0], [4.0]]), np.ones((2, 1)))
    np.testing.assert_array_equal(cr.softmax_cross_entropy([[3.0], [4.0]], [0, 0]), [0.0, 0.0])
    np.testing.assert_array_equal(cr.softmax([0.0, -np.inf]), [1.0, 0.0])
    np.testing.assert_array_equal(cr.log_softmax([0.0, -np.inf]), [0.0, -np.inf])
    assert cr.softmax_cross_entropy([0.0, -np.inf], 0) == 0.0
    assert cr.logsumexp([-np.inf, -np.inf]) == -np.inf
    slope = cr.grad(lambda x: cr.softmax_cross_entropy(x, 0))(np.array([0.0, -np.inf]))
    np.testing.assert_array_equal(slope, [0.0, 0.0])


def test_xlogy_at_zero() -> None:
    assert cr.xlogy(0.0, 0.0) == 0.0
    assert cr.xlogy(0.0, -1.0) == 0.0
    assert np.isnan(cr.xlogy(0.0, np.nan))
    assert cr.grad(cr.xlogy, argnums=1)(0.0, 0.0) == 0.0
    assert cr.grad(cr.xlogy, argnums=0)(0.0, 2.0) == np.log(2.0)


def test_stop_gradient() -> None:
    assert cr.grad(lambda x: x * cr.stop_gradient(x * x))(3.0) == 9.0
    tree = cr.grad(lambda p: p["a"] * cr.stop_gradient(p)["a"])({"a": 2.0})
    assert tree == {"a": 2.0}
    with pytest.raises(cr.errors.NoDependenceError):
        cr.grad(lambda x: cr.stop_gradient(x))(1.0)
    np.testing.assert_array_equal(cr.stop_gradient(X), X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: cr.softmax_cross_entropy(x, [0, 3]), "ArgumentError", "0 to 3 for 3 classes"),
        (lambda x: cr.softmax_cross_entropy(x, [-1, 0]), "ArgumentError", "number the classes"),
        (lambda x: cr.softmax_cross_entropy(x, [0, 1, 2]), "ShapeError", r"shape \(2,\), or"),
        (lambda x: cr.softmax_cross_entropy(x, [0.0, 1.0]), "ShapeError", "neither"),
        (lambda x: cr.softmax(x[0, 0]), "ShapeError", "no axis -1"),
        (lambda x: cr.log_softmax(x, axis=2), "ShapeError", "no axis 2"),
        (lambda x: cr.sigmoid(1j) * x, "NotDifferentiableError", "complex"),
        (lambda x: cr.sigmoid("a") * x, "NotDifferentiableError", "real numbers"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: str, message: str) -> None:
    with pytest.raises(getattr(cr.errors, error), match=message) as info:
        cr.grad(lambda x: call(x).sum())(X)
    assert "test_functions.py" in str(info.value)
