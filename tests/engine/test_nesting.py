"""Branches and loops within the code around them: the same bits as called from Python, no calls."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.native import nested_calls, nesting
from chainrule.engine.native.stepping import Plan, Stepper
from chainrule.tracing import flatten

RNG = np.random.default_rng(5)
W, XS, GRID = RNG.normal(size=(4, 4)) / 2, RNG.normal(size=(6, 4)), RNG.normal(size=(3, 5))


def recurrent(w: Any, xs: Any) -> Any:
    """A scan among other work, with a constant array in its body."""
    scales = np.array([1.0, 0.5, 2.0, 1.5])

    def step(h: Any, x: Any) -> Any:
        h = np.tanh(w @ h + x) * scales
        return h, h.sum()

    h, ys = cr.scan(step, np.zeros(4), np.sin(xs).T[:4, ::-1].T)
    return (h * h).sum() + np.exp(-ys).sum()


def within(a: Any) -> Any:
    """A scan in a scan, from the last to the first, both carries read and changed."""

    def row(c: Any, r: Any) -> Any:
        (s, t), ys = cr.scan(lambda c, x: ((c[1] * x, c[0] + c[1]), c[0]), (c[1], c[0]), r,
                             reverse=True)  # fmt: skip
        return (s + c[0], t), ys

    (s, t), ys = cr.scan(row, (1.0, 0.5), a)
    return s * t + (ys**2).sum()


def choosing(x: Any, v: Any) -> Any:
    """A branch in a scan, one in a branch, and one that decides before all."""

    def step(c: Any, v: Any) -> Any:
        c = cr.cond(
            c > 1,
            lambda c: cr.cond(v > 0, lambda: c * 0.5, lambda: c - 1.0),
            lambda c: c + v * v,
            c,
        )
        return c, c * v

    weigh = lambda row: lambda x: (x * np.array(row)).sum()  # noqa: E731
    x = cr.cond(x > 0, weigh([0.1, 0.5]), weigh([0.3, -0.4]), x)
    x = cr.cond(x < 0, weigh([0.2, 0.7]), weigh([0.8, -0.9]), x)
    c, ys = cr.scan(step, x, v)
    return c + ys.sum()


def settling(x: Any, v: Any) -> Any:
    """Loops of 0 to about 70 steps, one in a branch in a scan, with whole numbers and truths."""

    def root(a: Any) -> Any:
        far = lambda s: np.logical_not(s[2]) & (s[1] < 100)  # noqa: E731
        step = lambda s: (s[0] - 0.2 * (s[0] - a / s[0]), s[1] + 1, abs(s[0] ** 2 - a) < 1e-12)  # noqa: E731
        return cr.while_loop(far, step, (1.0 + 0.0 * a, 0, a < 0.5))[0]

    def step(c: Any, v: Any) -> Any:
        c = cr.cond(v > 0, lambda: root(c * c + v) - v, lambda: c + 0.1)
        return c, c * v

    c, ys = cr.scan(step, root(x * x), v)
    return c + ys.sum() + root(c * c) + root(0.0 * c)


def bent(x: Any) -> Any:
    return np.tanh(np.cumsum(x)) * x[::-1]


CASES: dict[str, tuple[Callable[..., Any], Sequence[Any]]] = {
    "scan": (cr.value_and_grad(recurrent, (0, 1)), (W, XS)),
    "scan in scan": (cr.value_and_grad(within), (GRID,)),
    "branches": (cr.value_and_grad(choosing, (0, 1)), (0.3, GRID[0])),
    "loops of any length": (cr.value_and_grad(settling, (0, 1)), (1.3, GRID[0])),
    "sweeps of a Jacobian": (cr.jacobian(bent, mode="reverse"), (np.linspace(-1.0, 1.0, 20),)),
    "second order": (cr.jacobian(cr.grad(lambda x: within(GRID * x)), mode="forward"), (0.7,)),
}


def version(compiled: Any) -> Any:
    (found,) = compiled.versions.values()
    return found


@pytest.mark.parametrize("name", list(CASES))
def test_the_same_bits_as_from_python(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f, args = CASES[name]
    new, old = cr.compile(f), cr.compile(f)
    found = flatten(new(*args))[0]
    assert version(new).run.is_native
    assert "within the code" in version(new).run.summary()
    monkeypatch.setattr(nesting, "nested", lambda program, kernels: program)
    for a, b in zip(found, flatten(old(*args))[0], strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert not version(old).run.is_native
    for a, b in zip(found, flatten(f(*args))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_it_is_a_built_in_function() -> None:
    compiled = cr.compile(recurrent)
    expected = compiled(W, XS)
    assert type(compiled._fast[0]).__name__ == "builtin_function_or_method"
    again = cr.compile(recurrent)
    assert again(W, XS) == expected
    assert version(again).run.code.cached


class Signalled(Exception):
    """What a handler raises."""


def turned(x: Any) -> Any:
    """A scan of some hours."""
    step = lambda c, _: (np.cos(c), None)  # noqa: E731
    return cr.scan(lambda c, _: (cr.scan(step, c, length=1000)[0], None), x, length=10**10)[0]


def endless(x: Any) -> Any:
    """Steps too short to be seen, in a loop in a branch, that leave their carry behind."""
    step = lambda v: cr.while_loop(lambda s: s[1] < 3, lambda s: (s[0] * x, s[1] + 1), (v, 0))[0]  # noqa: E731
    until = lambda x: cr.while_loop(lambda v: v < 2.0, step, x)  # noqa: E731
    return cr.cond(x > 0.0, until, lambda x: x, x)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")
@pytest.mark.parametrize("f", [turned, endless, cr.grad(endless)])
@pytest.mark.parametrize("quick", [True, False])
def test_long_loops_answer_signals(f: Any, quick: bool) -> None:
    compiled = cr.compile((lambda n, x: cr.cond(n > 0, f, lambda x: x, x)))
    idle, busy = (0.0, 1.0) if quick else (0, 1)  # a built-in function takes floats
    assert compiled(idle, 1.0) == 1.0
    assert version(compiled).run.is_native
    assert bool(compiled._fast) == quick
    calls: list[int] = []

    def handle(number: int, frame: Any) -> None:
        calls.append(number)
        if len(calls) == 2:  # after the first signal it goes on
            raise Signalled

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.05)
        with pytest.raises(Signalled):
            compiled(busy, 1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert len(calls) == 2
    assert compiled(idle, 1.0) == 1.0


def test_a_history_without_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    f = cr.grad(lambda x: 3.0 * cr.while_loop(lambda v: v < 9.0, lambda v: v * v, x))
    monkeypatch.setattr(nested_calls, "FIRST", 2**55)
    compiled = cr.compile(f)
    for _ in range(2):
        with pytest.raises(MemoryError):
            compiled(1.5)


def driven(w: Any, x: Any) -> Any:
    step = lambda h, x: (np.tanh(w @ h + x), h.sum())  # noqa: E731
    return cr.scan(step, np.zeros_like(x[0]), x)


def relaxed(w: Any, x: Any) -> Any:
    step = lambda s: (np.tanh(np.tanh(s[0] * w) + x[0]), s[1] + 1)  # noqa: E731
    return cr.while_loop(lambda s: s[1] < 5, step, (x[1], 0))[0].sum()


@pytest.mark.parametrize("f", [driven, cr.value_and_grad(relaxed)])
def test_threads_share_the_steps_of_a_loop(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested_calls, "FIRST", 2)  # histories grow
    w, x = RNG.normal(size=(150, 150)) / 12, RNG.normal(size=(3, 150, 150))
    cr.set_threads(3)
    try:
        compiled = cr.compile(f)
        found = []
        for count in (3, 2, 1):
            cr.set_threads(count)
            found.append([y.tobytes() for y in compiled(w, x)])
        loops = [g for g in version(compiled).run.grouping.groups if g.kind == "control"]
        assert all(nesting.of(group).is_shared for group in loops)
        assert found[0] == found[1] == found[2]
    finally:
        cr.set_threads(None)
    for a, b in zip(compiled(w, x), f(w, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def step_of(state: Any, data: Any, x: Any) -> Any:
    """A state that loops and branches carry along, each read where the other is changed."""
    a, b = state
    (a, b), ys = cr.scan(lambda c, r: ((c[1] + r, c[0] * 0.5), (c[0] * r).sum()), (a, b), data)
    (b, a), _ = cr.scan(lambda c, r: ((c[0] + b * r, c[1] - r), None), (b, a), data)
    return (a, cr.cond(x > 0, np.tanh, lambda b: b - x, b)), ys.sum()


def test_many_steps_in_one_call() -> None:
    state, xs = (XS[0], XS[1]), np.array([1.0, -1.0, 0.5, 2.0])
    plan = Plan.of(step_of, state, XS, xs[0])
    kept = pickle.loads(pickle.dumps(plan))  # code comes from the disk then
    truth, sums = state, []
    for x in xs:
        truth, y = step_of(truth, XS, x)
        sums.append(y)
    found = []
    for each in (plan, kept):
        stepper = Stepper(each, state, XS)
        found.append((stepper.run(xs, 4), *stepper.memory.state()))
        np.testing.assert_allclose(found[-1][0], sums, rtol=1e-12)
        np.testing.assert_allclose(found[-1][1:], truth, rtol=1e-12)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*found, strict=True))


def test_from_several_threads_and_after_a_fork() -> None:
    compiled = cr.compile(cr.value_and_grad(lambda a: within(a) + settling(a[0, 0], a[1])))
    inputs = [GRID * k for k in range(1, 9)]
    truth = [compiled(a)[1].tobytes() for a in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            made = pool.map(lambda a: compiled(a)[1].tobytes(), inputs)
            assert list(made) == truth
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            os._exit(compiled(inputs[2])[1].tobytes() != truth[2])
        assert os.waitpid(child, 0)[1] == 0
