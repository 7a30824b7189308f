"""Every function of the table has a test; what would lose the trace is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import LostTraceError, UnsupportedFunctionError
from chainrule.numpy_api.functions import TABLE
from tests.numpy_api import test_algebra, test_reduce, test_shapes, test_ufuncs
from tests.numpy_api.cases import M, V, check_case

# Tested one by one below or in test_ufuncs.py and test_reduce.py.
ELSEWHERE = {
    np.zeros_like, np.ones_like, np.full_like, np.empty_like, np.zeros, np.ones, np.empty, np.full,
    np.array, np.asarray, np.copyto, np.fill_diagonal, np.array_repr, np.array_str,
    np.array2string, np.sinc, np.arange, np.eye, np.identity, np.tri,
}  # fmt: skip


def test_every_function_of_the_table_is_tested() -> None:
    tested = {
        function
        for module in (test_shapes, test_reduce, test_algebra)
        for cases in (module.CASES, getattr(module, "STEP_CASES", []))
        for function, _, _ in cases
    } | {function for function, _, _ in test_ufuncs.FORMS}
    names = {f.__name__ for f in set(TABLE) - tested - ELSEWHERE}
    assert not names, f"without a test: {names}"


@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.zeros_like(x),
        lambda x: np.ones_like(x),
        lambda x: np.empty_like(x) * 0.0,
        lambda x: np.full_like(x, 3.0),
        lambda x: np.full_like(x, x[0]),
        lambda x: np.full_like(x, x),
        lambda x: np.zeros_like(x, shape=(2, 2)),
        lambda x: np.zeros_like(x, dtype=np.float32),
        lambda x: np.zeros_like(x > 0),
        lambda x: np.ones_like(x, dtype=int),
    ],
)
def test_creation_like(make: Any) -> None:
    expected = make(V)
    got = cr.value_and_grad(lambda x: (x.sum(), make(x)), has_aux=True)(V)[0][1]
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: np.zeros(3, like=x), np.zeros(3)),
        (lambda x: np.ones((2, 1), like=x), np.ones((2, 1))),
        (lambda x: np.empty(2, like=x) * 0, np.zeros(2)),
        (lambda x: np.full(2, 7.0, like=x), np.full(2, 7.0)),
        (lambda x: np.array([1.0, 2.0], like=x), np.array([1.0, 2.0])),
        (lambda x: np.asarray([[1.0], [2.0]], like=x), np.array([[1.0], [2.0]])),
        (lambda x: np.array([x[0], 2.0], like=x), np.array([V[0], 2.0])),
        (lambda x: np.array([[x[0], 1], [x[1], 0]], like=x), np.array([[V[0], 1], [V[1], 0]])),
        (lambda x: np.array(x, like=x), V),
        (lambda x: np.arange(3.0, like=x), np.arange(3.0)),
        (lambda x: np.eye(2, like=x), np.eye(2)),
        (lambda x: np.identity(2, like=x), np.eye(2)),
        (lambda x: np.tri(2, like=x), np.tri(2)),
        (lambda x: np.full((1, 2), x[1], like=x), np.full((1, 2), V[1])),
        (lambda x: np.full(2, x[1], float, like=x), np.full(2, V[1])),
    ],
)
def test_creation_with_like(make: Any, expected: Any) -> None:
    got = cr.value_and_grad(lambda x: (x.sum(), make(x)), has_aux=True)(V)[0][1]
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype


def test_array_with_like_has_a_derivative() -> None:
    rotation = cr.jacobian(
        lambda t: np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]], like=t)
    )(0.3)
    c, s = np.cos(0.3), np.sin(0.3)
    np.testing.assert_allclose(rotation, [[-s, -c], [c, -s]])


LOSING: dict[str, Any] = {
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "complex": lambda x: complex(x[0]),
    "np.asarray": lambda x: np.asarray(x),
    "np.array": lambda x: np.array(x),
    "np.array of a list": lambda x: np.array([x[0], x[1]]),
    "np.array of a nested list": lambda x: np.array([[x[0], 1.0], [2.0, x[1]]]),
    "np.array of one row": lambda x: np.array([x]),
    "np.asarray of a list": lambda x: np.asarray([x[0], 1.0]),
    "np.ascontiguousarray": lambda x: np.ascontiguousarray(x),
    "item": lambda x: x[0].item(),
    "tolist": lambda x: x.tolist(),
    "pickle": lambda x: pickle.dumps(x),
    "math.sin": lambda x: __import__("math").sin(x[0]),
    "plain array element": lambda x: np.zeros(3).__setitem__(0, x[0]),
    "plain array slice": lambda x: np.zeros(4).__setitem__(slice(None), x),
    "full_like of a plain array": lambda x: np.full_like(np.ones(4), x),
    "stack of nested lists": lambda x: np.stack([[x[0], 1.0], [x[1], 2.0]]),
    "plain array +=": lambda x: np.zeros(4).__iadd__(x),
}


@pytest.mark.parametrize("call", LOSING.values(), ids=LOSING)
def test_what_would_lose_the_trace_is_refused(call: Any) -> None:
    with pytest.raises(cr.errors.ChainruleError) as info:
        cr.grad(lambda x: (call(x), x.sum())[1])(V)
    text = str(info.value)
    assert "lose the derivative" in text or "lost" in text or "complex" in text
    assert "test_coverage.py" in text
    assert "remedy" in text


def test_a_lost_trace_has_its_own_error() -> None:
    with pytest.raises(LostTraceError, match=r"np\.stack\(\[\.\.\.\]\)"):
        cr.grad(lambda x: np.array([x[0], x[1]]).sum())(V)


def test_integers_and_masks_convert_freely() -> None:
    def f(x: Any) -> Any:
        n = int(np.argmax(x))
        mask = np.asarray(x > 0)
        assert isinstance(mask, np.ndarray)
        assert isinstance(float((x > 0).sum()), float)
        return x[n] * mask.sum() * range(10)[np.argmax(x)]

    check_case(f, (V,))


def test_unsupported_functions_name_the_nearest() -> None:
    with pytest.raises(UnsupportedFunctionError, match=r"np\.linalg\.eigh") as info:
        cr.grad(lambda a: np.linalg.eig(a)[0].sum())(M[:, :3])
    assert "test_coverage.py" in str(info.value)
    with pytest.raises(UnsupportedFunctionError, match="nearest with a record: polyval"):
        cr.grad(lambda a: np.polydiv(a, V)[0][0])(V)
    with pytest.raises(UnsupportedFunctionError, match="write it with functions of cr"):
        cr.grad(lambda a: np.i0(a).sum())(V)


def test_complex_numbers_are_refused() -> None:
    for f in (lambda a: (a * 1j).sum(), lambda a: (a * np.array([1j] * 4)).sum()):
        with pytest.raises(cr.errors.NotDifferentiableError, match="complex"):
            cr.grad(f)(V)
    with pytest.raises(cr.errors.NotDifferentiableError, match="complex"):
        cr.grad(lambda a: a.astype(complex).sum())(V)


def test_sinc_of_lists_and_numbers() -> None:
    check_case(lambda x: np.sinc(x), (V,))
    assert cr.grad(np.sinc)(0.0) == 0.0
