"""Long programs of single numbers, which run as a tape of instructions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.native import groups
from chainrule.tracing import flatten


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short a program is, its steps on single numbers go to a tape."""
    monkeypatch.setattr(groups, "UNROLLED", -1.0)


def tapes(compiled: Any) -> list[Any]:
    return list(next(reversed(compiled.versions.values())).run.tapes.values())


def chain(n: int) -> Any:
    """x ← x + h sin x, n times: Euler's method for x' = sin x."""

    def f(x: Any) -> Any:
        for _ in range(n):
            x = x + 1e-4 * np.sin(x)
        return x

    return f


def test_a_chain_of_ten_thousand_steps() -> None:
    compiled = cr.compile(cr.value_and_grad(chain(10_000)))
    value, slope = compiled(0.7)
    x, product = 0.7, 1.0
    for _ in range(10_000):
        product *= 1.0 + 1e-4 * math.cos(x)
        x += 1e-4 * math.sin(x)
    assert value == pytest.approx(x, rel=1e-13)
    assert slope == pytest.approx(product, rel=1e-12)
    (tape,) = tapes(compiled)
    steps = 30_000  # elementary ones of the function
    assert tape.words.shape[0] * 12 + 8 * tape.registers < 48 * steps


def test_instructions_are_compiled_once_for_any_number_of_steps() -> None:
    runs = []
    for n in (300, 700):
        compiled = cr.compile(cr.value_and_grad(chain(n)))
        compiled(0.7)
        runs.append(next(iter(compiled.versions.values())).run.imports)
    first, second = (set(run.values()) for run in runs)
    assert first == second


def test_short_programs_are_compiled_step_by_step() -> None:
    compiled = cr.compile(cr.value_and_grad(chain(3)))
    compiled(0.7)
    assert not tapes(compiled)


def test_explain_says_what_is_on_a_tape(capsys: pytest.CaptureFixture[str]) -> None:
    cr.compile(cr.value_and_grad(chain(500)), explain=True)(0.7)
    said = capsys.readouterr().err
    assert "steps on single numbers on a tape of" in said
    assert "they would take LLVM about" in said


@pytest.mark.usefixtures("always")
def test_registers_are_used_again() -> None:
    compiled = cr.compile(chain(5_000))
    compiled(0.7)
    (tape,) = tapes(compiled)
    assert tape.registers < 10


@pytest.mark.usefixtures("always")
def test_between_vectors() -> None:
    """Stretches of single numbers before, between and after work on arrays."""

    def f(x: Any, s: Any) -> Any:
        t = s
        for _ in range(50):
            t = np.sin(t) * 0.5 + s
        y = np.exp(-t * x)
        u = y.sum()
        for _ in range(50):
            u = np.cos(u) + t / 2
        return ((x * u) ** 2).mean() + y[3] * t + u

    x = np.linspace(0.0, 1.0, 37)
    compiled = cr.compile(cr.value_and_grad(f, argnums=(0, 1)))
    new, old = compiled(x, 0.3), cr.value_and_grad(f, argnums=(0, 1))(x, 0.3)
    for a, b in zip(flatten(new)[0], flatten(old)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    assert len(tapes(compiled)) >= 2


@pytest.mark.usefixtures("always")
def test_elements_of_a_vector() -> None:
    """A loop over the elements costs as many steps forward and backward as it has elements."""

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(len(x) - 1):
            total = total + 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
        return total

    from scipy.optimize import rosen, rosen_der

    x = np.random.default_rng(0).standard_normal(300)
    compiled = cr.compile(cr.value_and_grad(f))
    value, slope = compiled(x)
    assert value == pytest.approx(rosen(x), rel=1e-13)
    np.testing.assert_allclose(slope, rosen_der(x), rtol=1e-12, atol=1e-10)
    (tape,) = tapes(compiled)
    assert len(tape.words) < 20 * len(x)


def scalars(seed: int) -> Any:
    """A function of three numbers of different dtypes: sixty random steps."""
    names = ["exp", "sin", "tanh", "square", "negative", "sqrt", "abs", "log1p"]

    def f(*given: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = list(given)
        for _ in range(60):
            a, b, c = (values[int(rng.integers(len(values)))] for _ in range(3))
            kind = int(rng.integers(8))
            if kind == 0:
                y = getattr(np, names[int(rng.integers(len(names)))])(np.abs(np.tanh(a)) + 0.1)
            elif kind == 1:
                y = np.where(a > b, b, c)
            elif kind == 2:
                y = a / (1.5 + b * b)
            elif kind == 3:
                y = np.minimum(a, b) + c * float(rng.standard_normal())
            elif kind == 4:
                y = a.astype([np.float32, np.float64][int(rng.integers(2))])
            elif kind == 5:
                y = np.where((a > 0) & (b < 1), a, 0.25)
            else:
                y = [np.add, np.subtract, np.multiply, np.maximum][int(rng.integers(4))](a, b)
            values.append(y * 0.5)
        return values[-4:]

    return f


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int) -> None:
    given = [np.float64(0.3), np.float32(-0.7), 1.25]
    f = scalars(seed)
    new, old = cr.compile(f)(*given), cr.compile(f, engine="numpy")(*given)
    for a, b in zip(new, old, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        # What is left where numbers of single precision cancel has their rounding errors.
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-8)


@pytest.mark.usefixtures("always")
def test_nan_and_infinity() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y + x, np.maximum(x, y), np.where(x > y, x, y), x / y - x / y

    for x in (np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0):
        for y in (np.inf, np.nan, 0.0, -0.0, -2.0):
            with np.errstate(all="ignore"):
                new, old = cr.compile(f)(x, y), cr.compile(f, engine="numpy")(x, y)
            for a, b in zip(new, old, strict=True):
                np.testing.assert_array_equal(a, b)
