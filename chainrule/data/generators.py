"""Small problems drawn at random: classes in the plane that no line divides, and a regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ArgumentError

Points = tuple[NDArray[np.float64], NDArray[np.int64]]
Seed = int | np.random.Generator


def make_moons(n: int = 200, *, noise: float = 0.1, seed: Seed = 0) -> Points:
    """Two half circles that reach into each other.

    Class 0 is (cos t, sin t), class 1 is (1 − cos t, ½ − sin t), for n/2 values of t evenly from
    0 to π; to each coordinate N(0, noise²) is added, and the rows are in random order.

    Args:
        n: rows, of which class 0 has ⌈n/2⌉.
        noise: the standard deviation σ ≥ 0.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y): float64 of shape (n, 2), and classes 0 and 1, int64 of shape (n,).

    Raises:
        ArgumentError: fewer than two rows, or a negative noise.

    >>> x, y = make_moons(100, noise=0.0)
    >>> bool(np.allclose(np.hypot(*x[y == 0].T), 1)), np.bincount(y).tolist()
    (True, [50, 50])
    """
    first, second = _halves(n, noise)
    t, u = np.linspace(0, np.pi, first), np.linspace(0, np.pi, second)
    x = np.concatenate([_columns(np.cos(t), np.sin(t)), _columns(1 - np.cos(u), 0.5 - np.sin(u))])
    return _noisy(x, _classes([first, second]), noise, seed)


def make_circles(
    n: int = 200, *, noise: float = 0.05, factor: float = 0.5, seed: Seed = 0
) -> Points:
    """A circle of radius 1, class 0, around one of radius ``factor``, class 1.

    Args:
        n: rows, of which class 0 has ⌈n/2⌉; evenly along each circle.
        noise: the standard deviation of N(0, noise²), added to each coordinate.
        factor: the inner radius, between 0 and 1.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y): float64 of shape (n, 2), and classes 0 and 1, int64 of shape (n,).

    Raises:
        ArgumentError: fewer than two rows, a negative noise, or a factor out of range.

    >>> x, y = make_circles(100, noise=0.0, factor=0.25)
    >>> bool(np.allclose(np.hypot(*x[y == 1].T), 0.25))
    True
    """
    first, second = _halves(n, noise)
    if not 0.0 < factor < 1.0:
        raise ArgumentError(
            "the inner circle's radius lies between 0 and 1",
            got=f"factor={factor!r}",
            remedy="choose one such as 0.5",
        )
    t, u = (2 * np.pi * np.arange(k) / k for k in (first, second))
    x = np.concatenate([_columns(np.cos(t), np.sin(t)), factor * _columns(np.cos(u), np.sin(u))])
    return _noisy(x, _classes([first, second]), noise, seed)


def make_xor(n: int = 200, *, noise: float = 0.0, seed: Seed = 0) -> Points:
    """Points in the square [−1, 1]²: class 1 where exactly one coordinate is positive.

    Args:
        n: rows.
        noise: the standard deviation of N(0, noise²), added to each coordinate afterwards.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y): float64 of shape (n, 2), and classes 0 and 1, int64 of shape (n,).

    Raises:
        ArgumentError: fewer than two rows, or a negative noise.

    >>> x, y = make_xor(100)
    >>> bool(np.all((x[:, 0] * x[:, 1] < 0) == y))
    True
    """
    _halves(n, noise)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, (n, 2))
    y = ((x[:, 0] > 0) != (x[:, 1] > 0)).astype(np.int64)
    return x + noise * rng.standard_normal(x.shape), y


def make_spirals(
    n: int = 300, *, classes: int = 2, turns: float = 1.0, noise: float = 0.02, seed: Seed = 0
) -> Points:
    """Arms that wind around each other: r = t, angle = 2π(turns · t + k/classes), 0 < t ≤ 1.

    Args:
        n: rows, shared evenly among the classes.
        classes: arms k = 0, 1, ….
        turns: how often each winds around the middle.
        noise: the standard deviation of N(0, noise²), added to each coordinate.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y): float64 of shape (n, 2), and the classes, int64 of shape (n,).

    Raises:
        ArgumentError: fewer rows than classes, fewer than two classes, or a negative noise.

    >>> x, y = make_spirals(300, classes=3, noise=0.0)
    >>> np.bincount(y).tolist(), bool(np.hypot(*x.T).max() <= 1 + 1e-12)
    ([100, 100, 100], True)
    """
    sizes = _shares(n, classes, noise)
    arms = []
    for k, size in enumerate(sizes):
        t = np.arange(1, size + 1) / size
        angle = 2 * np.pi * (turns * t + k / classes)
        arms.append(_columns(t * np.cos(angle), t * np.sin(angle)))
    return _noisy(np.concatenate(arms), _classes(sizes), noise, seed)


def make_blobs(
    n: int = 200, *, centers: int | Sequence[Sequence[float]] = 3, std: float = 0.5, seed: Seed = 0
) -> Points:
    """Normal clouds N(cₖ, std² I), one for each class.

    Args:
        n: rows, shared evenly among the clouds.
        centers: the points cₖ; a number draws so many in the square [−4, 4]².
        std: the standard deviation of each coordinate.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y): float64 of shape (n, dimensions), and the classes, int64 of shape (n,).

    Raises:
        ArgumentError: fewer rows than centres, fewer than two centres, or a negative std.

    >>> x, y = make_blobs(9, centers=[[0, 0], [10, 0], [0, 10]], std=0.0)
    >>> x[y == 1].tolist()
    [[10.0, 0.0], [10.0, 0.0], [10.0, 0.0]]
    """
    rng = np.random.default_rng(seed)
    if isinstance(centers, (int, np.integer)):
        sizes = _shares(n, int(centers), std)
        points = rng.uniform(-4.0, 4.0, (int(centers), 2))
    else:
        points = np.asarray(centers, np.float64)
        sizes = _shares(n, len(points), std)
    return _noisy(np.repeat(points, sizes, axis=0), _classes(sizes), std, rng)


def make_regression(
    n: int = 200, *, features: int = 5, noise: float = 0.1, seed: Seed = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A linear relation y = x·w + ε with x ~ N(0, 1), w ~ N(0, 1), ε ~ N(0, noise²).

    Args:
        n: rows.
        features: columns of x.
        noise: the standard deviation of ε.
        seed: an integer or a NumPy generator.

    Returns:
        (x, y, w): float64 of shapes (n, features), (n,) and (features,).

    Raises:
        ArgumentError: fewer than two rows, no features, or a negative noise.

    >>> x, y, w = make_regression(50, features=3, noise=0.0)
    >>> bool(np.allclose(x @ w, y))
    True
    """
    _halves(n, noise)
    if features < 1:
        raise ArgumentError(
            "a regression needs features", got=f"{features=}", remedy="give 1 or more"
        )
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((n, features)), rng.standard_normal(features)
    return x, x @ w + noise * rng.standard_normal(n), w


# The problems in the plane, by the names under which the command line knows them.
PLANE: dict[str, Callable[..., Points]] = {
    "moons": make_moons,
    "circles": make_circles,
    "xor": make_xor,
    "spirals": make_spirals,
    "blobs": make_blobs,
}


def _columns(*columns: Any) -> Any:
    return np.stack(columns, axis=1)


def _classes(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


def _halves(n: int, noise: float) -> list[int]:
    return _shares(n, 2, noise)


def _shares(n: int, classes: int, noise: float) -> list[int]:
    """How many rows each class gets: the first ones one more where it does not come out even."""
    if classes < 2 or n < classes or not noise >= 0.0:
        raise ArgumentError(
            "a problem needs two classes or more, a row for each, and a noise of 0 or more",
            got=f"n={n}, classes={classes}, noise={noise}",
            remedy="choose for example n=200 and noise=0.1",
        )
    return [n // classes + (k < n % classes) for k in range(classes)]


def _noisy(x: Any, y: Any, noise: float, seed: Seed) -> Points:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    return x[order] + noise * rng.standard_normal(x.shape), y[order]


__all__ = [
    "PLANE", "make_blobs", "make_circles", "make_moons", "make_regression", "make_spirals",
    "make_xor",
]  # fmt: skip
