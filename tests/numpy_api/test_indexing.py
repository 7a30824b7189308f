"""Reading elements as NumPy users do: every kind of index, and iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_api.cases import E0, MASK, M, S, T, V, check_case

INDICES: dict[str, tuple[Any, Any]] = {
    "int": (V, 2),
    "negative int": (V, -1),
    "numpy int": (V, np.int64(1)),
    "row": (M, 1),
    "element": (M, (1, -2)),
    "slice": (V, slice(1, 3)),
    "step": (V, slice(None, None, 2)),
    "backwards": (V, slice(None, None, -1)),
    "backwards from the end": (M, (slice(-1, 0, -2), slice(3, None, -1))),
    "empty slice": (V, slice(2, 2)),
    "beyond the end": (V, slice(2, 99)),
    "column": (M, (slice(None), 2)),
    "ellipsis": (T, (..., 1)),
    "ellipsis in the middle": (T, (0, ..., 1)),
    "ellipsis alone": (M, ...),
    "newaxis": (V, (None, slice(None))),
    "newaxis twice": (M, (slice(None), None, ..., None)),
    "empty tuple": (M, ()),
    "empty tuple of a number": (S, ()),
    "newaxis of a number": (S, (None, None)),
    "list": (V, [3, 0, 0]),
    "negative list": (V, [-1, -4]),
    "empty list": (V, []),
    "array": (V, np.array([[0, 1], [3, 3]])),
    "unsigned": (V, np.array([2, 0], np.uint8)),
    "pair of lists": (M, ([0, 2, 0], [1, 1, 1])),
    "broadcast pair": (M, (np.array([[0], [2]]), np.array([1, 1, 3]))),
    "list and slice": (T, (slice(None), [0, 2, 2])),
    "list and slice and int": (T, (0, slice(None), [0, 2])),
    "separated lists": (T, ([0, 1, 1], slice(None), [0, 2, 2])),
    "list and newaxis": (M, ([0, 1], None)),
    "mask": (M, MASK),
    "mask of rows": (M, np.array([True, False, True])),
    "mask of columns": (M, (slice(None), np.array([True, False, True, True]))),
    "mask and int": (M, (np.array([True, False, True]), 1)),
    "mask and list": (M, (np.array([True, False, True]), [0, 3])),
    "no element": (V, np.zeros(4, bool)),
    "list mask": (V, [True, False, True, False]),
    "bool": (V, True),
    "empty array": (E0, (slice(None), 1)),
    "ix": (M, np.ix_([0, 2], [1, 3])),
}


@pytest.mark.parametrize(("x", "key"), INDICES.values(), ids=INDICES)
def test_index(x: Any, key: Any) -> None:
    check_case(lambda a: a[key], (x,))


def test_index_by_traced_values() -> None:
    """Masks and positions computed from the traced array itself."""
    check_case(lambda a: a[a > 0], (V,))
    check_case(lambda a: a[np.argsort(a)], (V,))
    check_case(lambda a: a[np.argmax(a)], (V,))
    check_case(lambda a: a[: np.argmax(a) + 1], (V,))
    check_case(lambda a: np.arange(5.0)[np.argmax(a)] * a, (V,))
    check_case(lambda a: [10.0, 20.0, 30.0, 40.0][np.argmin(a)] * a, (V,))
    check_case(lambda a: a[np.nonzero(a > 0)], (M,))


def test_iteration_and_unpacking() -> None:
    check_case(lambda a: sum(row[0] * row[1] for row in a), (M,))
    check_case(lambda a: (lambda p, q, *rest: p * q + len(rest))(*a), (V,))
    check_case(lambda a: sum(x * x for x in a.flat), (M,))
    check_case(lambda a: sum(k * x for k, x in enumerate(reversed(a))), (V,))
    check_case(lambda a: max(a) - min(a), (V,))
    check_case(lambda a: sorted(a)[1] ** 2, (V,))


def test_an_index_changed_afterwards_does_no_harm() -> None:
    positions = np.array([0, 1])

    def f(x: Any) -> Any:
        y = x[positions]
        positions[:] = 3
        return (y * [1.0, 10.0]).sum()

    np.testing.assert_array_equal(cr.grad(f)(V), [1.0, 10.0, 0.0, 0.0])


def test_bad_indices_are_numpys_errors() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        cr.grad(lambda a: a[9])(V)
    with pytest.raises(IndexError, match="only integers"):
        cr.grad(lambda a: a[0.5])(V)
    with pytest.raises(IndexError, match=r"only integers|arrays used as indices"):
        cr.grad(lambda a: a[a[0]])(V)
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        cr.grad(lambda a: sum(a))(1.0)
    with pytest.raises(TypeError, match="unsized"):
        cr.grad(lambda a: len(a) * a)(1.0)
