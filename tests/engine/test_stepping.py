"""Steps that are compiled to be repeated: where the state stands, and what they leave."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from chainrule.engine.native import groups, tape
from chainrule.engine.native.stepping import Memory, Plan, Stepper

RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((10, 3))


def add(state: Any, data: Any, x: Any) -> tuple[Any, Any]:
    """The sum of the rows at some positions, and how many steps there were."""
    rows, factor = x
    new = {"sum": state["sum"] + factor * data[rows].sum(axis=0), "steps": state["steps"] + 1}
    return new, (new["sum"], 2.0)


def inputs(count: int, rows: int) -> Any:
    return RNG.integers(0, len(DATA), (count, rows)), RNG.random(count)


def stepper(rows: int, memory: Memory | None = None) -> Stepper:
    state = {"sum": np.zeros(3), "steps": 0}
    plan = Plan.of(add, state, DATA, (np.arange(rows), 1.0))
    return Stepper(plan, memory or state, DATA)


def sums(xs: Any, start: Any = 0.0) -> Any:
    rows, factor = xs
    return start + np.cumsum(factor[:, None] * DATA[rows].sum(axis=1), axis=0)


def test_steps_are_the_same_in_one_call_or_in_several() -> None:
    step, xs = stepper(4), inputs(7, 4)
    at_once = step.run(xs, 7)[0]
    np.testing.assert_allclose(at_once, sums(xs), rtol=1e-12, atol=1e-13)
    assert step.memory.state()["steps"] == 7
    step.memory.load({"sum": np.zeros(3), "steps": 0})
    found, twos = step.begin(xs, 7)
    for count in (1, 3, 0, 2, 1):
        step.go(count)
    assert found.tobytes() == at_once.tobytes()
    np.testing.assert_array_equal(twos, np.full(7, 2.0))


def test_steppers_of_two_shapes_change_the_same_memory() -> None:
    large = stepper(4)
    small = stepper(2, large.memory)
    first, second = inputs(3, 4), inputs(2, 2)
    large.run(first, 3)
    found = small.run(second, 2)[0]
    np.testing.assert_allclose(found, sums(second, sums(first)[-1]), rtol=1e-12, atol=1e-13)
    assert large.memory.views["steps"] == 5
    np.testing.assert_array_equal(large.memory.views["sum"], found[-1])


@pytest.mark.parametrize("copied", [True, False])
def test_a_memory_returns_to_what_it_kept_and_a_stepper_to_its_first_step(copied: bool) -> None:
    step, xs = stepper(4), inputs(5, 4)
    start = {"sum": np.ones(3), "steps": 3}
    step.memory.load(start)
    step.memory.keep(None if copied else start)
    found = step.begin(xs, 5)[0]
    step.go(5)
    once = found.copy()
    found[:] = 0.0
    step.memory.back()
    step.rewind()
    assert step.memory.state()["sum"].tolist() == [1.0] * 3
    step.go(5)
    assert found.tobytes() == once.tobytes()
    np.testing.assert_allclose(once, sums(xs, 1.0), rtol=1e-12, atol=1e-13)


def test_a_state_is_a_copy_and_keeps_pythons_numbers() -> None:
    step = stepper(4)
    before = step.memory.state()
    step.run(inputs(2, 4), 2)
    assert type(before["steps"]) is int
    assert before["steps"] == 0
    assert not before["sum"].any()
    assert all(x.ctypes.data % 64 == 0 for x in step.memory.arrays)


def test_numbers_among_the_data_and_a_plan_from_a_pickle(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Steps on single numbers may go to a tape, whose code is apart from the plan's own."""
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    tape.runner.cache_clear()  # another folder may have the code of one that was made before
    for unrolled in (-1.0, 1.0):
        monkeypatch.setattr(groups, "UNROLLED", unrolled)
        plan = Plan.of(lambda s, d, x: (s * d + x, s / 2.0), 0.5, 1.5, 0.25)
        assert bool(plan.code.imports) is (unrolled < 0)
        for each in (plan, pickle.loads(pickle.dumps(plan))):
            step = Stepper(each, 0.5, 1.5)
            ys = step.run(np.array([0.25, 0.5, 0.75]), 3)
            np.testing.assert_array_equal(ys, [0.25, 0.5, 1.0])
            assert step.memory.state() == 3.75
    assert not capfd.readouterr().err  # LLVM would say what it cannot link
