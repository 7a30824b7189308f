"""The methods and attributes of a traced array are NumPy's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.array import Traced
from tests.numpy_api.cases import MASK, M, N, Q, R, S, T, V, check_case, same_value

METHODS: dict[str, tuple[Any, Any]] = {
    "sum": (lambda a: a.sum(), M),
    "sum axis": (lambda a: a.sum(axis=(0, 2), keepdims=True), T),
    "sum positional": (lambda a: a.sum(0), M),
    "sum where": (lambda a: a.sum(where=MASK, initial=1.0), M),
    "mean": (lambda a: a.mean(-1), M),
    "mean where": (lambda a: a.mean(where=MASK, keepdims=True), M),
    "prod": (lambda a: a.prod(axis=0), M),
    "var": (lambda a: a.var(0, ddof=1), M),
    "std": (lambda a: a.std(axis=1, keepdims=True), M),
    "max": (lambda a: a.max(), M),
    "max axis": (lambda a: a.max(axis=1, keepdims=True), M),
    "max initial": (lambda a: a.max(0, initial=0.1), M),
    "min": (lambda a: a.min(0), M),
    "cumsum": (lambda a: a.cumsum(), M),
    "cumprod": (lambda a: a.cumprod(1), M),
    "clip": (lambda a: a.clip(-0.5, 0.5), M),
    "clip max": (lambda a: a.clip(max=0.5), M),
    "dot": (lambda a: a.dot(N), M),
    "dot method with itself": (lambda a: a.dot(a), V),
    "reshape": (lambda a: a.reshape(2, 6), M),
    "reshape tuple": (lambda a: a.reshape((2, -1)), M),
    "reshape order": (lambda a: a.reshape(-1, order="F"), M),
    "ravel": (lambda a: a.ravel(), M),
    "ravel order": (lambda a: a.ravel("F"), M),
    "flatten": (lambda a: a.flatten(), M),
    "copy": (lambda a: a.copy(), M),
    "transpose": (lambda a: a.transpose(), T),
    "transpose axes": (lambda a: a.transpose(1, 2, 0), T),
    "transpose tuple": (lambda a: a.transpose((1, 2, 0)), T),
    "transpose None": (lambda a: a.transpose(None), T),
    "T": (lambda a: a.T, T),
    "mT": (lambda a: a.mT, T),
    "swapaxes": (lambda a: a.swapaxes(0, 1), T),
    "squeeze": (lambda a: a.squeeze(), R),
    "squeeze axis": (lambda a: a.squeeze(axis=0), R),
    "diagonal": (lambda a: a.diagonal(1), M),
    "trace": (lambda a: a.trace(), Q),
    "repeat": (lambda a: a.repeat(2, axis=1), M),
    "take": (lambda a: a.take([0, 5]), M),
    "astype": (lambda a: a.astype(float), M),
    "real": (lambda a: a.real, M),
    "copy.copy": (lambda a: copy.copy(a), M),
    "copy.deepcopy": (lambda a: copy.deepcopy({"a": a})["a"], M),
    "compress": (lambda a: a.compress([True, False, True], axis=0), M),
    "choose method": (lambda a: a.argmax(0).choose([a[0], a[1], a[2]]) * 1.0, M),
    "ptp": (lambda a: np.ptp(a), M),
    "divmod": (lambda a: divmod(a, 0.7)[1], M),
    "rdivmod": (lambda a: divmod(3.0, a)[1], np.array([0.8, 1.3, 2.2])),
    "neg": (lambda a: -a, M),
    "pos": (lambda a: +a, M),
    "abs": (lambda a: abs(a), M),
    "pow": (lambda a: a**3, M),
    "rpow": (lambda a: 2**a, M),
    "mod": (lambda a: a % 0.7, M),
    "rmod": (lambda a: 3.0 % a, np.array([0.8, 1.3, 2.2])),
    "rsub": (lambda a: 1 - a, M),
    "rtruediv": (lambda a: 1 / a, M),
    "radd list": (lambda a: [1.0, 2.0, 3.0, 4.0] + a, M),  # noqa: RUF005
    "rmul array": (lambda a: np.arange(4.0) * a, M),
    "rmatmul": (lambda a: np.ones((2, 3)) @ a, M),
    "number": (lambda a: (a + 1) * 2, S),
}


@pytest.mark.parametrize(("form", "x"), METHODS.values(), ids=METHODS)
def test_method(form: Any, x: Any) -> None:
    check_case(form, (x,))


FACTS: dict[str, Any] = {
    "shape": lambda a: np.array(a.shape),
    "ndim": lambda a: a.ndim,
    "size": lambda a: a.size,
    "len": lambda a: len(a),
    "itemsize": lambda a: a.itemsize,
    "nbytes": lambda a: a.nbytes,
    "argmax": lambda a: a.argmax(),
    "argmin": lambda a: a.argmin(axis=0, keepdims=True),
    "argsort": lambda a: a.argsort(axis=0),
    "all": lambda a: (a > 0).all(axis=1),
    "any": lambda a: (a > 0).any(),
    "round": lambda a: a.round(1),
    "nonzero": lambda a: a.nonzero(),
    "searchsorted": lambda a: a[0].searchsorted([0.0]),
    "floordiv": lambda a: a // 0.7,
    "rfloordiv": lambda a: 3.0 // a,
    "gt": lambda a: a > 0,
    "ge": lambda a: a >= a.T.T,
    "lt": lambda a: a > 0.5,
    "le": lambda a: a <= M[0],
    "eq": lambda a: a == M,
    "ne": lambda a: a != M,
    "and": lambda a: (a > 0) & (a < 1),
    "or": lambda a: (a > 1) | MASK,
    "xor": lambda a: MASK ^ (a > 0),
    "invert": lambda a: ~(a > 0),
    "astype int": lambda a: (a * 10).astype(int),
    "astype bool": lambda a: a.astype(bool),
    "contains": lambda a: M[0, 0] in a,
    "item of a mask": lambda a: (a > 0)[0, 0].item(),
    "list of a mask": lambda a: np.array((a > 0).tolist()),
    "sum of a mask": lambda a: (a > 0).sum(axis=0),
    "mean of a mask": lambda a: (a > 0).mean(),
    "array of a mask": lambda a: np.array(a > 0),
    "float of a mask": lambda a: float((a > 0)[0, 0]),
}


@pytest.mark.parametrize("form", FACTS.values(), ids=FACTS)
def test_fact(form: Any) -> None:
    same_value(form, M)


def test_python_control_flow_on_values() -> None:
    def f(x: Any) -> Any:
        if not x[0] > 0:
            x = -x
        while x.sum() < 100:
            x = x * 2
        return x[2] if x.any() and bool(x[1]) else 0.0 * x.sum()

    check_case(f, (V,))


def test_a_whole_number_repeats_a_list() -> None:
    def f(x: Any) -> Any:
        n = np.count_nonzero(x > -9)
        return np.stack([x[0]] * n) * ("ab" * n).count("a") + x * len((1,) * n)

    check_case(f, (V,))


def test_hash_and_identity() -> None:
    """Traced values are dictionary keys by identity, as the graph's algorithms need."""

    def f(x: Any) -> Any:
        table = {x: 1.0}
        return table[x] * x.sum()

    np.testing.assert_array_equal(cr.grad(f)(V), np.ones(4))


def test_fill_and_sort_in_place() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y.sort()
        z = np.empty_like(x)
        z.fill(x[0])
        return y * [1.0, 2.0, 3.0, 4.0] + z

    check_case(f, (V,))


def test_every_method_of_a_numpy_array_exists_but_those_of_raw_memory() -> None:
    missing = {
        name for name in dir(np.ndarray) if not name.startswith("_") and not hasattr(Traced, name)
    }
    assert missing == {
        "argpartition", "base", "byteswap", "ctypes", "data", "device", "dump",
        "dumps", "flags", "getfield", "partition", "put", "resize", "setfield",
        "setflags", "strides", "to_device", "tobytes", "tofile", "view",
    }  # fmt: skip
