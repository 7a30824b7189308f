"""Assignment into traced arrays: NumPy's values and aliasing, and the derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import AssignmentError, ChainruleError, LostTraceError, ShapeError
from tests.differences import check

V = np.array([0.7, -1.2, 0.4, 2.1, -0.3])
M = np.arange(12.0).reshape(3, 4) / 7 - 0.6
MASK = np.array([True, False, True, True, False])


def program(statements: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A function of x that runs statements on a fresh copy y of x and returns y (or the result)."""

    def f(x: Any) -> Any:
        y = x * 1.0
        result = statements(x, y)
        return y if result is None else result

    return f


def element(x: Any, y: Any) -> None:
    y[1] = x[0] * x[2]


def negative_index(x: Any, y: Any) -> None:
    y[-1] = x[0]


def two_indices(x: Any, y: Any) -> None:
    y[1, 2] = x[0, 0] ** 2
    y[2][0] = x[0, 1]


def a_constant(x: Any, y: Any) -> None:
    y[1] = 3.0
    y[2:4] = [1, 2]


def piece(x: Any, y: Any) -> None:
    y[1:3] = x[3:5] * 2


def broadcast(x: Any, y: Any) -> None:
    y[:, 1:3] = x[:, :1]
    y[0] = x[1, 1]


def stepped(x: Any, y: Any) -> None:
    y[::2] = x[:3] ** 2
    y[::-1][0:1] = x[1]


def masked(x: Any, y: Any) -> None:
    y[MASK] = x[:3] * x[1]
    y[x > 1] = 0.0


def traced_mask(x: Any, y: Any) -> None:
    y[y < 0] *= 0.1


def repeated(x: Any, y: Any) -> None:
    y[[0, 2, 0]] = x[1:4]


def repeated_in_place(x: Any, y: Any) -> None:
    y[[0, 2, 0]] += x[1:4]  # NumPy's buffered +=: the last one wins


def columns(x: Any, y: Any) -> None:
    y[:, [0, 2]] = x[:, [1, 1]] * 3
    y[np.ix_([0, 1], [3])] = x[:2, :1]


def in_place(x: Any, y: Any) -> None:
    y += x
    y *= x
    y -= 0.5
    y /= 2 + x * x
    y **= 2
    y %= 0.37


def in_place_element(x: Any, y: Any) -> None:
    y[0] += x[1]
    y[0] *= y[0]
    y[1:] -= y[:-1]


def in_place_keeps_the_name(x: Any, y: Any) -> Any:
    z = y
    y += 1.0
    y[0] = x[1]
    return z * 1.0


def rebinding_breaks_the_name(x: Any, y: Any) -> Any:
    z = y
    y = y + 1.0
    y[0] = x[1]
    return z * 1.0


def overlapping(x: Any, y: Any) -> None:
    y[1:] = y[:-1]
    y[:3] += y[2:]


def reversed_onto_itself(x: Any, y: Any) -> None:
    y[:] = y[::-1]
    y[...] = y * y


def with_itself(x: Any, y: Any) -> None:
    y[:] = y
    y += y
    y *= y


def recurrence(x: Any, y: Any) -> None:
    for i in range(1, len(y)):
        y[i] = y[i - 1] * x[i] + 0.1


def view_before(x: Any, y: Any) -> Any:
    row = y[1]
    y[1, 2] = x[0, 0] * x[0, 1]
    return row * 2


def view_written(x: Any, y: Any) -> None:
    row = y[1]
    row[2] = x[0, 0] ** 2
    row *= 3


def view_after(x: Any, y: Any) -> None:
    y[0] = x[1]
    row = y[0]
    row += 1
    y[0, 1] = row[0] * x[2, 2]


def transposed(x: Any, y: Any) -> None:
    t = y.T
    t[1] = x[:, 0]
    t[:, 0] *= 2
    t.T[2, 3] = x[0, 0]


def reshaped(x: Any, y: Any) -> None:
    flat = y.reshape(-1)
    flat[5] = x[0, 0] ** 2
    flat[::3] += 1
    y.ravel()[1] = x[2, 2]
    np.reshape(y, (2, 6))[1] *= x[0, 0]


def view_of_view(x: Any, y: Any) -> Any:
    block = y[1:, ::2]
    corner = block.T[0]
    corner[0] = x[0, 0] * 5
    block[0, 1] = corner[0] * x[0, 1]
    y[1, 0] += 1
    return corner * block[0, 1]


def copies_are_not_views(x: Any, y: Any) -> Any:
    kept, same, gathered = y.copy(), y * 1.0, y[[0, 1]]
    flat, chosen = y.flatten(), np.array(y, like=y)
    y[0] = x[3]
    return np.concatenate([kept, same, gathered, flat, y, chosen * 0])


def two_views(x: Any, y: Any) -> Any:
    a, b = y[:3], y[2:]
    a[2] = x[0] * x[1]
    b += a[:3]
    a *= 2
    return np.concatenate([a, b, y])


def old_results_stay(x: Any, y: Any) -> Any:
    before = y * 2
    total = y.sum()
    y[0] = x[1] * total
    return before * y


def argument_itself(x: Any, y: Any) -> Any:
    x[0] = x[1] ** 2
    x *= 2
    return x + y


def zeros_like(x: Any, y: Any) -> Any:
    z = np.zeros_like(x)
    for i in range(len(x)):
        z[i] = x[i] * x[i - 1]
    return z


def zeros_with_like(x: Any, y: Any) -> Any:
    z = np.zeros((2, 3), like=x)
    z[0, 1], z[1] = x[0], x[1:4]
    e = np.empty_like(x)
    e[:] = x**2
    return z.sum(axis=0)[:1] * e


def squeezed(x: Any, y: Any) -> None:
    wide = y[None, :, None]
    wide[0, 1, 0] = x[0]
    np.squeeze(wide)[2] = x[1]
    np.expand_dims(y, 0)[0, 3] *= x[2]


def flipped(x: Any, y: Any) -> None:
    np.flip(y)[0] = x[0]
    y[::-1][1] *= x[1]


def swapped(x: Any, y: Any) -> None:
    y[0], y[1] = y[1] * 1.0, y[0] * 1.0
    y[[2, 3]] = y[[3, 2]]


def diagonal(x: Any, y: Any) -> None:
    y[np.arange(3), np.arange(3)] = x[:, 3]
    np.fill_diagonal(y[:, 1:], x[0, 0])


def single_elements(x: Any, y: Any) -> None:
    y[...] = 2 * x
    y[()] = y + 1
    y[None, 1] = x[0]


def with_a_list(x: Any, y: Any) -> None:
    y[:3] = [x[0], 1.0, x[1] * x[2]]


def aliased_value(x: Any, y: Any) -> Any:
    a = y[:2]
    y[3:] = a
    a[0] = 5 * x[4]
    return np.concatenate([y, a])


def loops_with_views(x: Any, y: Any) -> None:
    for row in y:
        row *= row[0]


def passes_through_functions(x: Any, y: Any) -> None:
    def scale(part: Any) -> None:
        part *= x[0, 0]
        part[0] = x[1, 1]

    scale(y[0])
    scale(y[:, 2])


ON_VECTORS = [
    element, negative_index, a_constant, piece, stepped, masked, traced_mask, repeated,
    repeated_in_place, in_place, in_place_element, in_place_keeps_the_name,
    rebinding_breaks_the_name, overlapping, reversed_onto_itself, with_itself, recurrence,
    copies_are_not_views, two_views, old_results_stay, zeros_like, zeros_with_like,
    squeezed, flipped, swapped, single_elements, with_a_list, aliased_value,
]  # fmt: skip
ON_MATRICES = [
    two_indices, broadcast, columns, view_before, view_written, view_after, transposed, reshaped,
    view_of_view, diagonal, loops_with_views, passes_through_functions,
]  # fmt: skip


@pytest.mark.parametrize("statements", [*ON_VECTORS, *ON_MATRICES], ids=lambda f: f.__name__)
def test_program(statements: Any) -> None:
    x = V if statements in ON_VECTORS else M
    expected = program(statements)(x)
    value = cr.vjp(program(statements), x)[0]
    np.testing.assert_array_equal(value, expected)
    check(program(statements), x)


def test_the_argument_itself_may_be_changed() -> None:
    """f sees its own array: the caller's is untouched, and the gradient is at the old point."""
    x = V.copy()
    value, pullback = cr.vjp(lambda x: argument_itself(x, x * 1.0), x)
    np.testing.assert_array_equal(x, V)
    plain = V.copy()
    np.testing.assert_array_equal(value, argument_itself(plain, plain * 1.0))
    check(lambda x: argument_itself(x * 1.0, x), V)
    slope = pullback(np.ones(5))[0]
    np.testing.assert_allclose(slope, [1.0, 3 + 4 * V[1], 3.0, 3.0, 3.0])


def test_numbers_are_rebound_as_in_python() -> None:
    def f(x: Any) -> Any:
        y = x
        y += x
        y *= y
        return y + x

    assert cr.grad(f)(3.0) == 8 * 3.0 + 1


def test_zero_dimensional_arrays() -> None:
    def f(x: Any) -> Any:
        y = np.zeros((), like=x)
        y[...] = x * x
        y += x
        return y * 1.0

    assert cr.grad(f)(3.0) == 7.0


def test_assignment_in_single_precision_keeps_it() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[0] = x[1] * np.float64(2.0)
        y += np.ones(5)
        return y

    value, pullback = cr.vjp(f, V.astype(np.float32))
    assert value.dtype == f(V.astype(np.float32)).dtype == np.float32
    assert pullback(value)[0].dtype == np.float32


def test_masks_may_be_changed_in_place() -> None:
    def f(x: Any) -> Any:
        mask = x > 0
        mask &= x < 1
        mask |= x < -1
        mask[0] = False
        return (x * mask * [1.0, 2.0, 3.0, 4.0, 5.0]).sum()

    expected = np.where((((V > 0) & (V < 1)) | (V < -1)) & (np.arange(5) > 0), np.arange(1.0, 6), 0)
    np.testing.assert_array_equal(cr.grad(f)(V), expected)


def test_nested_derivatives_through_assignment() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        y[0] = x[0] ** 3
        for i in range(1, 5):
            y[i] = y[i - 1] * x[i]
        return y.sum()

    hessian = cr.hessian(f)(V)
    numeric = np.array(
        [(cr.grad(f)(V + 1e-5 * e) - cr.grad(f)(V - 1e-5 * e)) / 2e-5 for e in np.eye(5)]
    )
    np.testing.assert_allclose(hessian, numeric, atol=1e-8)
    inner = cr.grad(lambda s: cr.grad(lambda x: f(x * s))(V)[0])(1.0)
    step = 1e-5
    outer = [cr.grad(lambda x, s=s: f(x * s))(V)[0] for s in (1 + step, 1 - step)]
    assert inner == pytest.approx((outer[0] - outer[1]) / (2 * step), rel=1e-8)


def test_assignment_in_an_inner_function_to_an_outer_array() -> None:
    """The inner trace writes into an array of the outer one."""

    def f(x: Any) -> Any:
        y = x * 1.0

        def inner(s: Any) -> Any:
            z = y * s
            z[0] = s * s * y[1]
            return z.sum()

        y[2] = cr.grad(inner)(2.0)
        return y.sum()

    # y₂ = 4 x₁ + Σ_{i>0} xᵢ, and the rest of y is x
    np.testing.assert_allclose(cr.grad(f)(V), [1.0, 6.0, 1.0, 2.0, 2.0])


# What cannot be followed is refused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.zeros(3).__setitem__(0, x[0]), LostTraceError),
        (lambda x: np.zeros(5).__setitem__(slice(None), x), LostTraceError),
        (lambda x: np.zeros(5).__setitem__(MASK, x[:3]), LostTraceError),
        (lambda x: np.zeros(5).__iadd__(x), AssignmentError),
        (lambda x: np.zeros(5).__imul__(x[0]), AssignmentError),
        (lambda x: np.add(x, 1, out=np.zeros(5)), AssignmentError),
        (lambda x: np.add.at(np.zeros(5), [0], x[0]), AssignmentError),
        (lambda x: x[0].__setitem__(..., 1.0), AssignmentError),
        (lambda x: x.__setitem__(slice(0, 2), x), ShapeError),
        (lambda x: (x[:2] * 1.0).__iadd__(np.ones((2, 2))), ShapeError),
        (lambda x: x.__setitem__(9, 1.0), ChainruleError),
    ],
)
def test_refused(call: Any, error: Any) -> None:
    with pytest.raises((error, IndexError) if error is ChainruleError else error) as info:
        cr.grad(lambda x: (call(x * 1.0), x.sum())[1])(V)
    if error is not ChainruleError:
        assert "test_assignment.py" in str(info.value)
        assert "remedy" in str(info.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda buffer: buffer.__setitem__(slice(None), 7.0),
        lambda buffer: buffer.__iadd__(1.0),
        lambda buffer: buffer.sort(),
        lambda buffer: buffer.fill(0.0),
        lambda buffer: buffer[1:].__setitem__(0, 7.0),
    ],
)
def test_a_constant_changed_after_use_is_refused(change: Any) -> None:
    buffer = V.copy()

    def f(x: Any) -> Any:
        y = (x * buffer).sum()
        change(buffer)
        return y

    with pytest.raises(AssignmentError, match="used is changed afterwards") as info:
        cr.grad(f)(V)
    assert "write the new ones to a new array" in str(info.value)
    buffer[:] = 1.0  # writeable again when the trace has ended


def test_the_argument_changed_by_its_own_name_outside_is_refused() -> None:
    x = V.copy()

    def f(traced: Any) -> Any:
        y = (traced**2).sum()
        x[0] = 5.0
        return y

    with pytest.raises(AssignmentError, match="changed afterwards"):
        cr.grad(f)(x)
    x[0] = 5.0


def test_assigned_values_are_held_too() -> None:
    buffer = np.ones(2)

    def f(x: Any) -> Any:
        y = x * 1.0
        y[:2] = buffer
        buffer[:] = 9.0
        return (y * y).sum()

    with pytest.raises(AssignmentError, match="changed afterwards"):
        cr.grad(f)(V)
