"""The split and the batches: every row once, classes in their shares, the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.data import batches, train_test_split
from chainrule.errors import ArgumentError, DataError


def test_every_row_is_in_one_part() -> None:
    train, test = train_test_split(103, test_size=0.3, seed=4)
    assert (len(train), len(test)) == (72, 31)
    assert sorted([*train, *test]) == list(range(103))


def test_classes_keep_their_shares() -> None:
    labels = np.repeat([0, 1, 2], [50, 31, 20])
    _, test = train_test_split(101, test_size=0.25, stratify=labels)
    # Quotas 12.5, 7.75, 5 of round(25.25) = 25 rows: the largest remainder gets the last row.
    assert np.bincount(labels[test]).tolist() == [12, 8, 5]


def test_a_class_is_never_wholly_held_out() -> None:
    labels = np.array([0] * 20 + [1, 2, 2])
    train, test = train_test_split(23, test_size=0.9, stratify=labels)
    assert set(labels[train]) == {0, 1, 2}
    assert np.bincount(labels[test]).tolist() == [19, 0, 1]


def test_the_seed_decides() -> None:
    parts = [train_test_split(50, seed=s)[1].tolist() for s in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]
    # The rows are drawn, not taken from one end.
    assert parts[0] != list(range(50 - len(parts[0]), 50))


@pytest.mark.parametrize("size", [0.0, 1.0, -0.1, float("nan")])
def test_a_test_size_that_is_no_fraction(size: float) -> None:
    with pytest.raises(ArgumentError) as caught:
        train_test_split(10, test_size=size)
    assert str(caught.value) == (
        "test_size is the fraction of the rows to hold out\n"
        f"  received: test_size={size}\n"
        "  remedy:   choose a number between 0 and 1, such as 0.25"
    )


def test_an_empty_part() -> None:
    with pytest.raises(DataError, match=r"(?s)do not suffice.*10 rows with test_size=0\.01"):
        train_test_split(10, test_size=0.01)


def test_batches_are_a_permutation() -> None:
    parts = list(batches(10, 4, seed=0))
    assert [len(p) for p in parts] == [4, 4, 2]
    rows = np.concatenate(parts)
    assert sorted(rows) == list(range(10))
    assert rows.tolist() != list(range(10))
    rng = np.random.default_rng(0)
    epochs = [next(batches(10, 10, rng)).tolist() for _ in range(2)]
    assert epochs[0] == rows.tolist() != epochs[1]
