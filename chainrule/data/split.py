"""Dividing rows into a training and a held-out part, and the training part into mini-batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ArgumentError, DataError

Indices = NDArray[np.intp]
Seed = int | np.random.Generator


def train_test_split(
    n: int,
    *,
    test_size: float = 0.25,
    seed: Seed = 0,
    stratify: NDArray[np.intp] | None = None,
) -> tuple[Indices, Indices]:
    """Divide the rows 0 … n − 1 at random into a training and a test part.

    The test part has round(n · test_size) rows. With ``stratify`` each class gets its share of
    them: n_k · test_size rounded down, and the rest go to the largest remainders. A class always
    keeps a row in the training part.

    Args:
        n: the number of rows.
        test_size: the fraction to hold out, between 0 and 1.
        seed: an integer or a NumPy generator; the same seed gives the same parts.
        stratify: the class of each row as a number, shape (n,); None divides without regard.

    Returns:
        The row numbers of the two parts, each in increasing order.

    Raises:
        ArgumentError: test_size is not a fraction between 0 and 1.
        DataError: a part would be empty.

    >>> train, test = train_test_split(8, test_size=0.25, stratify=np.array([0, 1] * 4))
    >>> test % 2  # one row of each class
    array([...])
    >>> sorted([*train, *test]) == list(range(8))
    True
    """
    if not 0.0 < test_size < 1.0:
        raise ArgumentError(
            "test_size is the fraction of the rows to hold out",
            got=f"test_size={test_size!r}",
            remedy="choose a number between 0 and 1, such as 0.25",
        )
    rng = np.random.default_rng(seed)
    classes = np.zeros(n, np.intp) if stratify is None else np.asarray(stratify)
    groups = [np.flatnonzero(classes == k) for k in np.unique(classes)]
    counts = _shares([len(g) for g in groups], round(n * test_size), test_size)
    chosen = [rng.permutation(g)[:count] for g, count in zip(groups, counts, strict=True)]
    test = np.sort(np.concatenate([np.empty(0, np.intp), *chosen]))
    train = np.setdiff1d(np.arange(n), test)
    if not (len(train) and len(test)):
        raise DataError(
            "the rows do not suffice for a training and a held-out part",
            got=f"{n} rows with test_size={test_size}",
            remedy="give more rows, or choose another test_size (command line: --test-size)",
        )
    return train, test


def batches(n: int, batch_size: int, seed: Seed) -> Iterator[Indices]:
    """The rows 0 … n − 1 in random order, ``batch_size`` at a time; the last may be smaller.

    Every row comes exactly once: one pass is one epoch.

    >>> [len(b) for b in batches(10, 4, seed=0)]
    [4, 4, 2]
    """
    order = np.random.default_rng(seed).permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def _shares(sizes: list[int], total: int, fraction: float) -> list[int]:
    """How many of each class to hold out: largest remainders, never a whole class."""
    most = [max(size - 1, 0) for size in sizes]
    counts = [min(int(size * fraction), cap) for size, cap in zip(sizes, most, strict=True)]
    # Stable order, so that equal remainders are served in the order of the classes.
    by_remainder = sorted(range(len(sizes)), key=lambda k: counts[k] - sizes[k] * fraction)
    while sum(counts) < total and any(c < m for c, m in zip(counts, most, strict=True)):
        for k in by_remainder:
            if sum(counts) < total and counts[k] < most[k]:
                counts[k] += 1
    return counts
