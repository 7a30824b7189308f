"""Arrays of which only shape and dtype count, beside what NumPy makes of real ones."""

from typing import Any

import numpy as np
import pytest

from chainrule.ghosts import Ghost, ghost, is_ghost, like, real

RNG = np.random.default_rng(0)


def arrays(*shapes: tuple[int, ...], dtype: Any = np.float64) -> list[Any]:
    return [np.ones(shape, dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("f", "given"),
    [
        (np.add, arrays((3, 1), (4,))), (np.exp, arrays((2, 0, 3))), (np.sqrt, arrays(())),
        (np.greater, arrays((5,), (5,))), (np.divmod, arrays((2, 3), (3,))),
        (np.matmul, arrays((2, 3), (3, 4))), (np.matmul, arrays((5, 1, 2, 3), (4, 3, 6))),
        (np.matmul, arrays((3,), (3, 4))), (np.matmul, arrays((0, 3), (3, 4))),
        (lambda a: a.sum(axis=0), arrays((4, 5))), (np.mean, arrays((4, 5))),
        (lambda a: np.max(a, axis=1, keepdims=True), arrays((4, 5))),
        (lambda a: a.reshape(-1, 2).T, arrays((4, 6))), (lambda a: a[1:, ::2], arrays((4, 6))),
        (lambda a: a[np.array([0, 2, 2])], arrays((4, 6))), (lambda a: a[1], arrays((4,))),
        (lambda a: a.astype(np.float32), arrays((4, 6))), (lambda a: a.copy(), arrays((4, 6))),
        (lambda a, b: np.where(a > 0, a, b), arrays((4, 1), (6,))),
        (lambda a, b: np.concatenate([a, b]), arrays((4, 2), (3, 2))),
        (lambda a: np.pad(a, 1), arrays((2, 3))), (np.transpose, arrays((2, 3, 4))),
        (lambda a: 2 - a**2 / 3, arrays((2, 3), dtype=np.float32)),
        (lambda a: a + np.float64(1), arrays((2,), dtype=np.float32)),
        (lambda a: np.einsum("ij,kj->ik", a, a), arrays((2, 3))),
        (np.add.outer, arrays((2,), (3,))), (np.cumsum, arrays((2, 3))),
    ],
)  # fmt: skip
def test_shapes_and_dtypes_are_numpys(f: Any, given: list[Any]) -> None:
    expected = f(*given)
    found = f(*map(ghost, given))
    pairs = (
        zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    )
    for mine, other in pairs:
        assert np.shape(mine) == np.shape(other)
        assert mine.dtype == other.dtype


def test_a_ghost_has_one_element() -> None:
    x = ghost(RNG.standard_normal((1000, 1000)))
    y = np.tanh(x @ x.T * 2 + 1)[:, :10]
    assert isinstance(y, Ghost)
    assert y.shape == (1000, 10)
    assert set(y.strides) == {0}
    assert not y.flags.writeable
    assert type(real(y)) is np.ndarray


def test_which_are_ghosts() -> None:
    assert is_ghost(1.0, ghost(np.ones(2)))
    assert not is_ghost(1.0, np.ones(2), real(ghost(np.ones(2))))
    assert like((2, 3), np.ones(1, np.float32), np.ones(1, np.float64)).dtype == np.float64


def test_matrices_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        _ = ghost(np.ones((2, 3))) @ np.ones((4, 5))
