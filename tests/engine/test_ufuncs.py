"""Steps by the inner loops of NumPy's functions: its bits, its errors, in any process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import chainrule as cr
from chainrule import nn
from chainrule.engine.native import ufuncs

RNG = np.random.default_rng(0)
LINALG = np.linalg


def everything(a: Any, s: Any, b: Any) -> Any:
    """Each function at once, of stacks of matrices, some symmetric, and right-hand sides."""
    tall, wide = (LINALG.svd(x, full_matrices=False) for x in (a[..., :2], a[..., :3, :]))
    return (
        LINALG.solve(a, b), LINALG.solve(np.swapaxes(a, -1, -2), b), LINALG.inv(np.flip(a, -1)),
        LINALG.solve(a[..., 1:, :-1], b[..., 1:, :]), LINALG.det(a), *LINALG.slogdet(a),
        LINALG.cholesky(s), *LINALG.eigh(s), *LINALG.qr(a), *LINALG.qr(a[..., :2]), *tall, *wide,
    )  # fmt: skip


def summary(compiled: Any) -> str:
    return str(next(reversed(compiled.versions.values())).run.summary())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("stack", [(), (2, 1, 3)])
def test_the_bits_are_numpys(stack: tuple[int, ...], dtype: Any) -> None:
    a = (RNG.standard_normal((*stack, 4, 4)) + 3 * np.eye(4)).astype(dtype)
    b = RNG.standard_normal((*stack[1:], 4, 2)).astype(dtype)  # the same for several matrices
    s = a @ np.swapaxes(a, -1, -2)
    compiled = cr.compile(everything)
    for new, old in zip(compiled(a, s, b), everything(a, s, b), strict=True):
        np.testing.assert_array_equal(new, old, strict=True)
    assert "NumPy" not in summary(compiled)


@pytest.mark.parametrize("name", ["det", "pinv"])
def test_what_is_made_of_several(name: str) -> None:
    regular = RNG.standard_normal((2, 3, 3))
    singular = regular.copy()
    singular[:, 2] = singular[:, 0]
    f = cr.value_and_grad(lambda a: np.sin(getattr(LINALG, name)(a)).sum())
    compiled, reference = cr.compile(f), cr.compile(f, engine="numpy")
    for a in (regular, singular):
        for new, old in zip(compiled(a), reference(a), strict=True):
            np.testing.assert_allclose(new, old, rtol=1e-11, atol=1e-12)
    assert "NumPy" not in summary(compiled)


def test_a_closed_form() -> None:
    """The inverse of a Hilbert matrix is whole numbers; the gradient of log |det A| is A⁻ᵀ."""
    hilbert, inverse = scipy.linalg.hilbert(5), scipy.linalg.invhilbert(5, exact=True)
    gradient = cr.compile(cr.grad(lambda a: LINALG.slogdet(a)[1]))(hilbert)
    np.testing.assert_allclose(gradient, inverse, rtol=1e-9)
    np.testing.assert_allclose(cr.compile(LINALG.solve)(hilbert, np.eye(5)), inverse, rtol=1e-9)


BAD: list[tuple[Callable[..., Any], Any, str]] = [
    (lambda a: LINALG.solve(a, a), np.zeros((3, 3)), "solve: Singular matrix"),
    (LINALG.inv, np.ones((2, 3, 3)), "inv: Singular matrix"),
    (LINALG.cholesky, -np.eye(3), "cholesky: Matrix is not positive definite"),
    (lambda a: LINALG.eigh(a)[0], np.full((3, 3), np.nan), "eigh: Eigenvalues did not converge"),
    (lambda a: LINALG.svd(a)[1], np.full((3, 3), np.nan), "svd: SVD did not converge"),
    (lambda a: LINALG.pinv(a), np.full((3, 3), np.nan), "pinv: SVD did not converge"),
]


@pytest.mark.parametrize(("f", "bad", "words"), BAD, ids=[words for *_, words in BAD])
@pytest.mark.parametrize("more", [False, True], ids=["quick call", "call"])
def test_a_failure_is_numpys_error(f: Callable[..., Any], bad: Any, words: str, more: bool) -> None:
    def g(a: Any) -> Any:
        y = f(a)
        return {"y": y} if more else y

    good = np.broadcast_to(np.eye(3) * 4.0, bad.shape).copy()
    compiled, reference = cr.compile(g), cr.compile(g, engine="numpy")
    before, first = compiled(good), reference(good)
    told = []
    for way in (compiled, reference):
        with pytest.raises(LINALG.LinAlgError, match=words) as caught:
            way(bad)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "test_ufuncs.py" in told[0]
    for result in (compiled(good), before):
        pair = (result["y"], first["y"]) if more else (result, first)
        np.testing.assert_array_equal(*pair)


def test_a_nan_is_no_failure_where_numpy_has_none() -> None:
    a = np.full((2, 2), np.nan)
    with np.errstate(invalid="ignore"):
        assert np.isnan(cr.compile(LINALG.inv)(a)).all()
        # Operations on NaN before do not count either.
        f = cr.compile(lambda x, a: LINALG.inv(a) * np.sqrt(x))
        assert np.isnan(f(-1.0, np.eye(2))).all()


def test_loops_that_fail_stop() -> None:
    def scanned(x: Any, matrices: Any) -> Any:
        def step(c: Any, a: Any) -> Any:
            c = LINALG.solve(a, c)
            return c, c.sum()

        return cr.scan(step, x, matrices)

    def repeated(x: Any, matrices: Any) -> Any:  # NaN would let it go on for ever
        return cr.while_loop(
            lambda c: np.logical_not(c.sum() < 1e-3), lambda c: LINALG.solve(matrices[1], c), x
        )

    good = np.stack([k * np.eye(3) for k in (1.0, 2.0, 4.0)])
    bad = good * np.array([1.0, 0.0, 1.0])[:, None, None]
    x = np.ones((3, 1))
    for f in (scanned, repeated):
        told = []
        for engine in ("native", "numpy"):
            compiled = cr.compile(f, engine=engine)
            assert np.isfinite(compiled(x, good)[0]).all()
            with pytest.raises(LINALG.LinAlgError, match="loop: solve: Singular") as caught:
                compiled(x, bad)
            told.append(str(caught.value))
            if engine == "native":
                how = "within the code"
                assert "1 loop" in summary(compiled)
                assert how in summary(compiled)
        assert told[0] == told[1]


@dataclass(frozen=True)
class Whitened(nn.Layer):
    """x (aᵀ xᵀx a)⁻¹, which needs as many different rows as columns."""

    def build(self, rng: Any, input_shape: Any, *, dtype: Any = np.float64) -> Any:
        return {"a": 2 * np.eye(input_shape[0], dtype=dtype)}, {}

    def __call__(self, params: Any, state: Any, x: Any, *, training: Any, rng: Any = None) -> Any:
        y = x @ params["a"]
        return LINALG.solve(y.T @ y, x.T).T, state


def test_a_training_fails_where_numpys_does() -> None:
    x = np.random.default_rng(1).standard_normal((64, 3))
    x[40:] = 0.0
    y = x.sum(axis=1)
    found = []
    for jit in (True, False):
        model = cr.Model([Whitened(), nn.Dense(1)])
        model.compile("sgd", "mse", jit_compile=jit)
        with pytest.raises(
            LINALG.LinAlgError, match=r"solve: Singular matrix\n  at: .*test_ufuncs"
        ):
            model.fit(x, y, batch_size=8, shuffle=False, verbose=0, seed=0)
        assert model.run.step == 5
        found.append(model.get_weights())
    for new, old in zip(*found, strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-10)


SCRIPT = """
import numpy as np, chainrule as cr
compiled = cr.compile(lambda a: np.linalg.inv(a) * np.linalg.det(a))
try:
    compiled(np.array([[2.0, 1.0], [1.0, 3.0]]))
    compiled(np.zeros((2, 2)))
except np.linalg.LinAlgError as error:
    print(error)
print(next(iter(compiled.versions.values())).run.summary())
"""


def test_another_process_has_its_own_addresses() -> None:
    adjugate = cr.compile(lambda a: LINALG.inv(a) * LINALG.det(a))
    np.testing.assert_allclose(adjugate(np.diag([2.0, 3.0])), np.diag([3.0, 2.0]))
    told = subprocess.check_output([sys.executable, "-c", SCRIPT], text=True)
    assert told.startswith("inv: Singular matrix\n")
    assert "kernels loaded in" in told


def test_loops_are_known_by_name() -> None:
    found = pickle.loads(pickle.dumps(ufuncs.loop("solve")))
    assert found is ufuncs.loop("solve")
    assert b"solve" in pickle.dumps(found)
    with pytest.raises(LookupError):
        ufuncs.loop("unheard_of")
    with pytest.raises(LookupError):  # it has no loop in double precision
        ufuncs._loop(np.frompyfunc(abs, 1, 1))


def test_without_loops_numpy_does_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ufuncs, "has", lambda name: False)
    f = cr.compile(lambda a: (LINALG.inv(a), *LINALG.eigh(a @ a.T)))
    a = np.array([[2.0, 1.0], [0.0, 1.0]])
    np.testing.assert_array_equal(f(a)[0], LINALG.inv(a))
    assert "2 steps by NumPy, for which there is no code: inv, eigh" in summary(f)


def test_threads_do_not_wait_for_lapack() -> None:
    """It has threads of its own, which need the processors."""
    compiled = cr.compile(lambda a: LINALG.solve(np.exp(a) + 400 * np.eye(300), a))
    compiled(np.zeros((300, 300)))
    run = next(iter(compiled.versions.values())).run
    assert 0 < run.work.shared() < run.work.alone()
    assert run.storage.threads == 1
