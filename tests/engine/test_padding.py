"""Padded arrays that are computed where they are read."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess_prod

import chainrule as cr


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257])
def test_rosenbrock_is_as_scipy_has_it(n):
    x, v = np.random.default_rng(n).standard_normal((2, n))
    value, gradient = cr.compile(cr.value_and_grad(rosenbrock))(x)
    np.testing.assert_allclose(value, rosen(x), rtol=1e-14)
    np.testing.assert_allclose(gradient, rosen_der(x), rtol=1e-12, atol=1e-11)
    product = cr.compile(lambda x, v: cr.hvp(rosenbrock, (x,), (v,)))(x, v)
    np.testing.assert_allclose(product, rosen_hess_prod(x, v), rtol=1e-12, atol=1e-10)


def test_one_loop_does_value_and_gradient():
    compiled = cr.compile(cr.value_and_grad(rosenbrock))
    assert len(compiled.report(np.ones(1000))) == 1


def total_variation(x):
    return ((x[1:] - x[:-1]) ** 2).sum() + (3 * (x[:, 2:] - x[:, :-2]) ** 2).sum()


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (5, 17), (16, 16), (7, 40), (33, 9)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_axes(shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    expected = np.zeros(shape, dtype)
    d = 2 * (x[1:] - x[:-1])
    expected[1:] += d
    expected[:-1] -= d
    d = 6 * (x[:, 2:] - x[:, :-2])
    expected[:, 2:] += d
    expected[:, :-2] -= d
    gradient = cr.compile(cr.grad(total_variation))(x)
    assert gradient.dtype == dtype
    bound = 32 * np.finfo(dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=bound)


def test_what_is_out_of_bounds_has_no_influence():
    # 1/x of the zero next to the bounds would be infinite, and 0·∞ a NaN.
    x = np.arange(1.0, 20.0)
    f = lambda x: (1 / x[1:] + x[:-1]).sum()  # noqa: E731
    expected = np.r_[0, -1 / x[1:] ** 2] + np.r_[np.ones(18), 0]
    np.testing.assert_allclose(cr.compile(cr.grad(f))(x), expected, rtol=1e-14)


def test_an_infinity_stays_where_it_is():
    x = np.ones(40)
    x[20] = np.inf
    with np.errstate(all="ignore"):
        expected = cr.grad(rosenbrock)(x)
    np.testing.assert_array_equal(cr.compile(cr.grad(rosenbrock))(x), expected)
    assert np.isfinite(expected).sum() > 30


def laid_into_zeros(v):
    """v in the middle of zeros, as the derivative of an index."""
    return cr.grad(lambda u: (u[1:5, 2:5] * v).sum())(np.zeros((6, 7)))


@pytest.mark.parametrize("what", ["given", "from the product"])
def test_beside_a_product(what):
    """What has bounds is not read in the loop that stores a product."""
    rng = np.random.default_rng(0)
    x, w, v = rng.standard_normal((6, 5)), rng.standard_normal((5, 7)), rng.standard_normal((4, 3))

    def f(x, w, v):
        y = x @ w
        return np.tanh(y + laid_into_zeros(v if what == "given" else y[1:5, 2:5] * v))

    y = x @ w
    expected = y.copy()
    expected[1:5, 2:5] += v if what == "given" else y[1:5, 2:5] * v
    np.testing.assert_allclose(cr.compile(f)(x, w, v), np.tanh(expected), rtol=1e-14)


def test_a_constant_is_an_array_without_axes():
    three = np.array(3.0)

    def f(x):
        y = np.zeros(5, like=x)
        y[1:3] = np.stack([x, 0.5 * x]) * three
        return y.sum(), y

    total, y = cr.compile(f)(2.0)
    np.testing.assert_allclose(total, 9.0, rtol=1e-15)
    np.testing.assert_allclose(y, [0, 6, 3, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(cr.compile(cr.grad(lambda x: f(x)[0]))(2.0), 4.5, rtol=1e-15)


@pytest.mark.parametrize("width", [3, 8, 16, 29])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_that_are_taken_apart(width, dtype):
    """The gradient of slices that meet each other: each of its columns comes from one of them."""

    def cell(z):
        i, f, g, o = (z[:, k * width : (k + 1) * width] for k in range(4))
        c = f * f + i * np.sin(g)
        return (o * c).sum(), c

    z = np.random.default_rng(width).standard_normal((6, 4 * width)).astype(dtype)
    i, f, g, o = np.split(z.astype(np.float64), 4, axis=1)
    expected = np.hstack([o * np.sin(g), 2 * o * f, o * i * np.cos(g), f * f + i * np.sin(g)])
    found = cr.compile(cr.grad(lambda z: cell(z)[0]))(z)
    np.testing.assert_allclose(found, expected, atol=1e-6 if dtype == np.float32 else 1e-14)


def test_slices_that_meet_and_overlap():
    """Vectors in which one array ends and another one begins, and some that none reaches."""

    def f(x):
        return (x[1:30] ** 2).sum() + (x[17:45] ** 3).sum() + (x[60:97] * x[3:40]).sum()

    x = np.random.default_rng(1).standard_normal(131)
    expected = np.zeros(131)
    expected[1:30] += 2 * x[1:30]
    expected[17:45] += 3 * x[17:45] ** 2
    expected[60:97] += x[3:40]
    expected[3:40] += x[60:97]
    np.testing.assert_allclose(cr.compile(cr.grad(f))(x), expected, rtol=1e-14)
