"""What branches and loops refuse, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import (
    ArgumentError,
    BranchError,
    ChainruleError,
    LeakedTraceError,
    ShapeError,
    TreeError,
)
from tests.control.conftest import Compile


def refusal(kind: type[ChainruleError], f: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(kind) as caught:
        f(*args)
    error = caught.value
    assert "test_refusals.py" in error.line, error
    assert error.remedy
    return str(error)


@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_branches_that_differ(engine: Any) -> None:
    trees = cr.compile(lambda x: cr.cond(x > 0, lambda: (x, x), lambda: [x, x]), engine=engine)
    assert "return different structures" in refusal(TreeError, trees, 1.0)
    shapes = cr.compile(lambda x: cr.cond(x > 0, lambda: x, lambda: x * np.ones(3)), engine=engine)
    assert "float64[] if true and float64[3] if false" in refusal(ShapeError, shapes, 1.0)
    dtypes = cr.compile(
        lambda x: cr.cond(x > 0, lambda: {"a": x.astype(np.float32)}, lambda: {"a": x}),
        engine=engine,
    )
    assert "result['a'] is float32[] if true" in refusal(ShapeError, dtypes, 1.0)


def test_a_predicate_of_several(compiled: Compile) -> None:
    f = compiled(lambda x: cr.cond(x > 0, np.exp, np.log, x))
    words = refusal(ShapeError, f, np.ones(3))
    assert "the predicate of cond must be a single truth value" in words
    assert "received: bool[3]" in words
    g = compiled(lambda x: cr.while_loop(lambda v: v > 0, lambda v: v - 1, x))
    assert "returns must be a single truth value" in refusal(ShapeError, g, np.ones(2))
    h = compiled(lambda x: cr.cond("yes", np.exp, np.log, x))
    assert "received: 'yes'" in refusal(ShapeError, h, 1.0)


def test_a_carry_that_changes(compiled: Compile) -> None:
    f = compiled(lambda x: cr.scan(lambda c, x: (c + x, None), 0, x))
    words = refusal(ShapeError, f, np.ones(3))
    assert "carry is int64[] before a step and float64[] after it" in words
    assert "0.0 instead of 0" in words
    g = compiled(lambda x: cr.while_loop(lambda v: v[0] < 9, lambda v: (v[0] * 2, v), (x, x)))
    assert "another structure" in refusal(TreeError, g, 1.0)
    h = compiled(lambda x: cr.scan(lambda c, _: (np.stack([c, c]), None), x, length=2))
    assert "float64[] before a step and float64[2] after it" in refusal(ShapeError, h, 1.0)


def test_what_scan_is_given(compiled: Compile) -> None:
    step = compiled(lambda a, b: cr.scan(lambda c, x: (c, x), 0.0, {"a": a, "b": b}))
    words = refusal(ShapeError, step, np.ones(3), np.ones(4))
    assert "xs['a'] has 3, xs['b'] has 4" in words
    alone = compiled(lambda x: cr.scan(lambda c, x: (c, x), 0.0, x, length=2))
    assert "xs has 3, length is 2" in refusal(ShapeError, alone, np.ones(3))
    assert "no axis to scan along" in refusal(ShapeError, alone, 1.0)
    endless = compiled(lambda x: cr.scan(lambda c, _: (c, x), 0.0))
    assert "how many steps" in refusal(ArgumentError, endless, 1.0)
    moving = compiled(lambda n: cr.scan(lambda c, _: (c, c), 0.0, length=n))
    assert "whole number, known when it is traced" in refusal(ArgumentError, moving, 2.5)
    single = compiled(lambda x: cr.scan(lambda c, x: c + x, 0.0, x))
    assert "must return the pair (new carry, y)" in refusal(TreeError, single, np.ones(3))
    named = compiled(lambda x: cr.scan(lambda c, x: (c, x), {"a": "text"}, x))
    assert "init['a'] is not made of real numbers" in refusal(ArgumentError, named, np.ones(3))


def test_a_decision_in_the_body() -> None:
    f = cr.compile(lambda x: cr.scan(lambda c, x: (c + x if x > 0 else c, None), 0.0, x)[0])
    assert "cr.cond" in refusal(BranchError, f, np.ones(3))


def test_a_number_read_in_the_body() -> None:
    """It would be the first step's for ever."""

    def f(xs: Any) -> Any:
        return cr.scan(lambda c, x: (c + x * float(x.value), None), 0.0, xs)[0]

    assert "read while tracing" in refusal(BranchError, cr.compile(f), np.arange(3.0))


def test_a_value_that_leaves_the_body() -> None:
    kept: list[Any] = []

    def step(c: Any, x: Any) -> tuple[Any, None]:
        kept.append(c * x)
        return c + x, None

    f = cr.compile(lambda xs: cr.scan(step, 0.0, xs)[0] + kept[0])
    words = "after the function that made it has returned"
    assert words in refusal(LeakedTraceError, f, np.ones(3))
    # As a result, and as what another loop begins with, it would be the first call's for ever.
    assert words in refusal(LeakedTraceError, cr.compile(lambda x: (x, kept[0])), np.ones(3))
    f = cr.compile(lambda xs: cr.scan(lambda c, x: (c * x, None), kept[0], xs)[0])
    assert words in refusal(LeakedTraceError, f, np.ones(3))


def test_a_pullback_through_a_loop_outside() -> None:
    def f(x: Any) -> Any:
        y, back = cr.vjp(lambda x: cr.while_loop(lambda v: v < 9, lambda v: 2 * v, x), x)
        return cr.scan(lambda c, t: (c + back(t)[0], None), y, np.ones(3))[0]

    assert f(1.0) == 16 + 3 * 16
    assert "call cr.vjp or cr.grad within the loop" in refusal(ArgumentError, cr.compile(f), 1.0)


def test_a_checkpoint_that_is_no_number_of_steps(compiled: Compile) -> None:
    f = compiled(lambda x: cr.while_loop(lambda v: v < 9, lambda v: 2 * v, x, checkpoint=0))
    assert "received: 0" in refusal(ArgumentError, f, 1.0)
