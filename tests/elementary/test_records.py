"""Every record of the table: value, both modes and the second order. A new record needs no test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.elementary import TABLE, random
from chainrule.elementary.base import Elementary, General, Linear, Pointwise, Step
from chainrule.elementary.linalg import outputs, pick
from tests.differences import TooRough, check, leaves

POINTWISE = [f for f in TABLE.values() if isinstance(f, Pointwise) and not f.is_step]
STEPS = [f for f in TABLE.values() if isinstance(f, Pointwise) and f.is_step]
OTHERS = [f for f in TABLE.values() if isinstance(f, (Linear, General)) and f is not pick]

SHAPES = {
    "scalar": ((), (), ()),
    "vector": ((3,), (3,), (3,)),
    "broadcast": ((2, 1), (3,), (2, 3)),
    "other way": ((3,), (2, 1), ()),
    "size one": ((1, 3), (3, 1), (1,)),
    "empty": ((0,), (0,), (0,)),
    "empty beside one": ((1,), (2, 0), (1, 1)),
}


def draw(fn: Pointwise, shapes: Any, seed: int) -> list[Any]:
    """Arguments from the middle of the record's domain, none of them large or at its edge."""
    rng = np.random.default_rng(seed)
    args = []
    for (low, high), shape in zip(fn.domain, shapes, strict=False):
        low, high = max(low, -3.0 if low < 0 else 0.1), min(high, max(3.0, low))
        margin = 0.1 * (high - low)
        args.append(np.asarray(rng.uniform(low + margin, high - margin, shape))[()])
    return args


def active(fn: Elementary, args: Any) -> list[int]:
    """The positions of the arguments that have a derivative."""
    if isinstance(fn, Pointwise):
        return [k for k, p in enumerate(fn.partials) if p is not None]
    found = [k for k, a in enumerate(args) if np.asarray(a).dtype.kind == "f"]
    return [k for k in found if fn.differentiable(k)] if isinstance(fn, Linear) else found


def closed(fn: Elementary, args: Any, varied: Any, params: dict[str, Any]) -> Any:
    """fn as a function of the varied arguments alone."""

    def f(*xs: Any) -> Any:
        whole = list(args)
        for k, x in zip(varied, xs, strict=True):
            whole[k] = x
        if isinstance(fn, General) and fn.outputs > 1:
            return outputs(fn, *whole, **params)
        return fn(*whole, **params)

    return f


def smooth_check(fn: Pointwise, shapes: Any, varied: list[int]) -> None:
    """Check at a random point; at another one if a kink or a jump lies within the step."""
    for seed in range(30):
        args = draw(fn, shapes, seed)
        f = closed(fn, args, varied, {})
        try:
            value = check(f, *(args[k] for k in varied), seed=seed)
        except TooRough:
            continue
        assert np.all(np.isfinite(value[0]))
        return
    pytest.fail(f"{fn.name} is nowhere smooth on its domain")


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("fn", POINTWISE, ids=lambda f: f.name)
def test_pointwise(fn: Pointwise, shapes: Any) -> None:
    smooth_check(fn, shapes, active(fn, ()))


@pytest.mark.parametrize("fn", [f for f in POINTWISE if len(f.partials) > 1], ids=lambda f: f.name)
def test_pointwise_in_one_argument(fn: Pointwise) -> None:
    """The other argument is a plain array: each partial derivative stands alone."""
    for k in active(fn, ()):
        smooth_check(fn, SHAPES["broadcast"], [k])


@pytest.mark.parametrize("fn", POINTWISE, ids=lambda f: f.name)
def test_float32_is_kept(fn: Pointwise) -> None:
    """Value and derivatives in single precision, none computed in double behind its back."""
    args = draw(fn, SHAPES["vector"], 1)
    narrow = [a.astype(np.float32) for a in args]
    varied = active(fn, ())
    y = closed(fn, narrow, varied, {})(*(narrow[k] for k in varied))
    assert y.dtype == np.float32
    for k in varied:
        p: Any = fn.partials[k]
        with np.errstate(all="ignore"):
            slope = p(y, *narrow) if callable(p) else p
        assert isinstance(slope, (bool, int, float)) or slope.dtype in (np.float32, np.bool_)
        f32, f64 = (closed(fn, x, [k], {}) for x in (narrow, args))
        single = cr.vjp(f32, narrow[k])[1](np.ones(3, np.float32))[0]
        double = cr.vjp(f64, args[k])[1](np.ones(3))[0]
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("fn", POINTWISE, ids=lambda f: f.name)
def test_python_numbers(fn: Pointwise) -> None:
    args = [float(a) for a in draw(fn, SHAPES["scalar"], 2)]
    for k in active(fn, ()):
        f = closed(fn, args, [k], {})
        slope = cr.grad(f)(args[k])
        assert type(slope) is float
        assert slope == pytest.approx(float(cr.jvp(f, (args[k],), (1.0,))[1]), rel=1e-15)


CASES = [
    pytest.param(fn, args, params, id=f"{fn.name}-{number}")
    for fn in OTHERS
    for number, (args, params) in enumerate(fn.examples(np.random.default_rng(3)))
]


@pytest.mark.parametrize(("fn", "args", "params"), CASES)
def test_linear_and_general(fn: Elementary, args: Any, params: dict[str, Any]) -> None:
    varied = active(fn, args)
    f = closed(fn, args, varied, params)
    if not varied:  # stop_gradient
        with pytest.raises(cr.errors.NoDependenceError):
            cr.grad(lambda x: fn(x, **params).sum())(args[0])
        return
    for value in check(f, *(args[k] for k in varied)):
        assert np.all(np.isfinite(value))


@pytest.mark.parametrize(("fn", "args", "params"), CASES)
def test_in_one_argument(fn: Elementary, args: Any, params: dict[str, Any]) -> None:
    varied = active(fn, args)
    for k in varied if len(varied) > 1 else ():
        check(closed(fn, args, [k], params), args[k])


@pytest.mark.parametrize(("fn", "args", "params"), CASES)
def test_linear_and_general_keep_float32(fn: Elementary, args: Any, params: dict[str, Any]) -> None:
    params = {k: np.dtype(np.float32) if k == "dtype" else v for k, v in params.items()}
    varied = active(fn, args)
    narrow = [a.astype(np.float32) if np.asarray(a).dtype.kind == "f" else a for a in args]
    f = closed(fn, narrow, varied, params)
    xs = [narrow[k] for k in varied]
    for y in leaves(f(*xs)):
        assert y.dtype == np.float32
    if varied:
        ys, ts = cr.jvp(f, xs, [np.ones(np.shape(x), np.float32) for x in xs])
        assert all(t.dtype == np.float32 for t in leaves(ts))
        back = cr.vjp(f, *xs)[1]
        g = [np.ones(np.shape(y), np.float32) for y in leaves(ys)]
        assert all(c.dtype == np.float32 for c in back(type(ys)(g) if len(g) > 1 else g[0]))


@pytest.mark.parametrize("fn", OTHERS, ids=lambda f: f.name)
def test_every_record_has_examples(fn: Elementary) -> None:
    assert any(case.values[0] is fn for case in CASES)


@pytest.mark.parametrize("fn", STEPS, ids=lambda f: f.name)
def test_steps_have_no_derivative(fn: Pointwise) -> None:
    """Comparisons and rounding pass through a trace as values; their derivative is refused."""
    arity = len(fn.partials)
    whole = fn.name.startswith("bitwise") or fn.name == "invert"
    x = np.array([0.5, -1.5, 2.0])
    other = (np.array([0.5, 1.5, 1.0]),) if arity == 2 else ()
    if whole:
        f: Any = lambda x: fn(x > 0, *(o > 1 for o in other))  # noqa: E731
    else:
        f = lambda x: fn(x, *other)  # noqa: E731
    seen = []

    def loss(x: Any) -> Any:
        seen.append(f(x))
        return (x * np.where(seen[-1], 2.0, 3.0)).sum()

    slope = cr.grad(loss)(x)
    expected = f(x)
    np.testing.assert_array_equal(seen[0].value, expected)
    np.testing.assert_array_equal(slope, np.where(expected, 2.0, 3.0))
    with pytest.raises(cr.errors.NoDependenceError, match="greater" if whole else fn.name):
        cr.grad(lambda x: (f(x) * 1.0).sum())(x)


STEP_RESULTS = {
    "argmax": {}, "argmin": {}, "argsort": {}, "all": {}, "any": {}, "count_nonzero": {},
    "running_argmax": {}, "running_argmin": {}, "argpartition": {"kth": 1},
    "round": {"decimals": 1}, "searchsorted": {},
}  # fmt: skip


# Random numbers have whole numbers as arguments: tests/elementary/test_random.py.
@pytest.mark.parametrize(
    "fn", [f for f in TABLE.values() if isinstance(f, Step) and f not in random.FUNCTIONS]
)
def test_step_records(fn: Step) -> None:
    x = np.array([0.5, 1.55, 2.0])
    more = (np.array([1.0, 3.0]),) if fn.name == "searchsorted" else ()
    seen = []

    def loss(x: Any) -> Any:
        seen.append(fn(x, *more, **STEP_RESULTS[fn.name]))
        return x.sum()

    cr.grad(loss)(x)
    np.testing.assert_array_equal(seen[0].value, fn(x, *more, **STEP_RESULTS[fn.name]))
    with pytest.raises(cr.errors.NoDependenceError, match=fn.name):
        cr.grad(lambda x: (fn(x, *more, **STEP_RESULTS[fn.name]) * 1.0).sum())(x)
