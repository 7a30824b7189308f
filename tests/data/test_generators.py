"""The problems in the plane lie where their equations say."""

import numpy as np
import pytest

from chainrule import data
from chainrule.errors import ArgumentError


def test_moons_are_half_circles():
    x, y = data.make_moons(101, noise=0.0, seed=3)
    upper, lower = x[y == 0], x[y == 1]
    assert (len(upper), len(lower)) == (51, 50)
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1)
    assert upper[:, 1].min() > -1e-12
    assert lower[:, 1].max() < 0.5 + 1e-12


def test_circles_have_their_radii():
    x, y = data.make_circles(60, noise=0.0, factor=0.3)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1.0, 0.3))
    # Even steps along each circle: the points add up to its centre.
    np.testing.assert_allclose([x[y == k].sum(axis=0) for k in (0, 1)], 0, atol=1e-12)


def test_no_line_divides_xor():
    x, y = data.make_xor(4000, seed=1)
    design = np.column_stack([x, np.ones(len(x))])
    w = np.linalg.lstsq(design, 2 * y - 1, rcond=None)[0]
    assert np.mean((design @ w > 0) == y) < 0.6
    assert np.all((x.prod(axis=1) < 0) == y)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spirals_grow_with_their_angle(classes):
    x, y = data.make_spirals(50 * classes, classes=classes, turns=1.5, noise=0.0)
    r = np.hypot(*x.T)
    angle = 2 * np.pi * (1.5 * r + y / classes)
    np.testing.assert_allclose(x, r[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))
    assert np.bincount(y).tolist() == [50] * classes


def test_blobs_have_their_means_and_spread():
    centers = [[0.0, 0.0, 5.0], [3.0, -1.0, 0.0]]
    x, y = data.make_blobs(20_000, centers=centers, std=0.7)
    for k, center in enumerate(centers):
        own = x[y == k]
        # Within five standard errors.
        assert np.abs(own.mean(axis=0) - center).max() < 5 * 0.7 / np.sqrt(len(own))
        assert np.abs(own.std(axis=0) - 0.7).max() < 5 * 0.7 / np.sqrt(2 * len(own))


def test_a_regression_is_found_again():
    x, y, w = data.make_regression(500, features=4, noise=0.0, seed=2)
    np.testing.assert_allclose(np.linalg.lstsq(x, y, rcond=None)[0], w)
    noisy = data.make_regression(5000, features=1, noise=0.5, seed=2)
    assert np.std(noisy[1] - noisy[0] @ noisy[2]) == pytest.approx(0.5, rel=0.06)


@pytest.mark.parametrize(
    "make", [data.make_moons, data.make_circles, data.make_xor, data.make_spirals, data.make_blobs]
)
def test_a_seed_draws_the_same_and_noise_moves(make):
    one, same, other = make(40, seed=5), make(40, seed=5), make(40, seed=6)
    np.testing.assert_array_equal(one[0], same[0])
    assert not np.array_equal(one[0], other[0])
    with pytest.raises(ArgumentError, match="classes or more"):
        make(1)


def test_a_factor_out_of_range():
    with pytest.raises(ArgumentError, match=r"between 0 and 1\n  received: factor=1.5"):
        data.make_circles(10, factor=1.5)
