"""Random programs of assignments through views: NumPy's values, and the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr

N = 6
slices = st.builds(
    slice,
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([None, 3, 4, 6]),
    st.sampled_from([None, 1, 2]),
)
keys = st.one_of(
    st.integers(-N, N - 1),
    slices,
    st.lists(st.integers(0, N - 1), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=N, max_size=N).map(np.array),
)
operations = st.sampled_from(["=", "+=", "*=", "-="])
steps = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 5), keys, operations, st.integers(0, 9)),
    st.tuples(st.just("whole"), st.integers(0, 5), operations, st.integers(0, 9)),
    st.tuples(st.just("view"), st.integers(0, 5), st.one_of(slices, st.just("reversed"))),
    st.tuples(st.just("shape"), st.integers(0, 5)),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("drop"), st.integers(0, 5)),
)


def run(plan: list[Any], x: Any) -> Any:
    """Interpret a plan on a copy of x: writes through a growing list of views of it.

    A source 0 … 9 is a number, an element, a part of x, or a view of the target itself.
    """
    y = x * 1.0
    views, results = [y], [x.sum()]

    def source(number: int, like: Any) -> Any:
        if number < 2:
            return [0.5, -1.5][number]
        if number < 5:
            return x[number] * 0.7
        if number < 8:
            return views[number % len(views)].sum() * 0.3
        return (like * 0.5)[..., ::-1] if number == 8 else like

    for what, which, *rest in plan:
        target = views[which % len(views)]
        if what == "view":
            key = slice(None, None, -1) if isinstance(rest[0], str) else rest[0]
            views.append(target[key])
        elif what == "shape":
            n = target.shape[0]
            views.append(target.reshape(2, -1).T if n % 2 == 0 and target.ndim == 1 else target[:])
        elif what == "read":
            results.append((target * target).sum())
        elif what == "drop":
            if len(views) > 1 and which:
                del views[which % len(views)]
        elif what == "whole":
            value = source(rest[1], target)
            if rest[0] == "=":
                target[...] = value
            elif rest[0] == "+=":
                target += value
            elif rest[0] == "*=":
                target *= value
            else:
                target -= value
        else:
            key, operation, number = rest
            try:
                part = np.zeros(target.shape)[key]
            except IndexError:
                continue
            value = source(number, target[key])
            if np.shape(value) != part.shape and np.shape(value) != ():
                continue
            if operation == "=":
                target[key] = value
            elif operation == "+=":
                target[key] += value
            elif operation == "*=":
                target[key] *= value
            else:
                target[key] -= value
    return np.stack([v.sum() for v in views] + results + [y[0] * y[1], (y**2).sum()])


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(steps, min_size=1, max_size=9))
def test_random_programs(plan: list[Any]) -> None:
    """Values exactly NumPy's, and the gradient against differences."""
    x = np.array([0.6, -0.9, 1.1, 0.3, -0.4, 0.8])
    expected = run(plan, x)
    value, pullback = cr.vjp(lambda x: run(plan, x), x)
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)
    weights = 1.0 / (1 + np.arange(len(expected)))
    slope = pullback(weights)[0]
    h = 1e-6
    numeric = np.array(
        [(weights @ (run(plan, x + h * e) - run(plan, x - h * e))) / (2 * h) for e in np.eye(N)]
    )
    scale = 1 + np.max(np.abs(slope)) + np.max(np.abs(expected))
    np.testing.assert_allclose(slope, numeric, atol=3e-6 * scale)
    direction = np.array([1.0, -0.5, 0.25, 0.7, -1.0, 0.3])
    tangent = cr.jvp(lambda x: run(plan, x), (x,), (direction,))[1]
    np.testing.assert_allclose(weights @ tangent, slope @ direction, atol=1e-11 * scale)
