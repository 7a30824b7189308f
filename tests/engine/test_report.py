"""What a compiled function tells of itself: its code with the user's lines, its kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.engine.native.roofline import roofline


def loss(w: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    return (hidden * hidden).mean()


W, X = np.random.default_rng(0).standard_normal((2, 40, 40))


def test_the_source_names_steps_lines_and_inputs() -> None:
    compiled = cr.compile(cr.value_and_grad(loss))
    compiled(W, X)
    source = compiled.source()
    assert 'define void @"stretch_0"' in source
    assert "; product 40×40" in source
    assert "hidden = np.tanh(x @ w)" in source
    assert "test_report.py:" in source
    assert '%"args[0][1]" = load ptr' in source


def test_lines_are_not_part_of_the_code() -> None:
    """The same steps on other lines are loaded from the disk."""
    runs = []
    for f in (lambda x: np.sin(x) * 1.7 + x, lambda x: (
        np.sin(x) * 1.7 + x)):  # fmt: skip
        compiled = cr.compile(f)
        compiled(np.ones(11))
        runs.append(next(iter(compiled.versions.values())).run)
    assert runs[1].code.cached
    assert runs[0].source() != runs[1].source()


def test_the_report_counts_operations_and_bytes() -> None:
    report = cr.compile(lambda a, b: a @ b).report(W, X)
    (product,) = report
    assert product.kind == "product"
    assert product.operations == 2 * 40**3
    assert product.bytes == 3 * 40 * 40 * 8
    limit = roofline()
    assert product.estimate == max(2 * 40**3 / limit.float64, 3 * 40 * 40 * 8 / limit.near)
    assert product.seconds > 0
    assert "loss" not in product.line
    text = str(report)
    assert "least" in text
    assert "one thread reaches" in text
    assert report.summary in text


def test_the_roofline_is_remembered() -> None:
    roofline.cache_clear()
    first = roofline()
    roofline.cache_clear()
    assert roofline() == first
    assert first.far > 0
    assert 0 < first.float64 < first.float32


def test_a_long_tape_is_told_in_short() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(400):
            y = np.sin(y) + x
        return y

    report = cr.compile(f).report(0.5)
    (tape,) = report
    assert tape.kind == "tape"
    assert len(tape.steps) == 800
    assert "400 sin" in str(report)
    assert tape.estimate is not None


def test_steps_by_numpy_are_named() -> None:
    report = cr.compile(lambda x: np.sort(x)).report(np.ones(5))
    assert report[0].estimate is None
    assert "by NumPy, for which there is no code: argsort" in report.summary


def test_the_steps_of_a_loop_are_counted() -> None:
    f = cr.compile(lambda x: cr.scan(lambda c, v: (c * v, None), 1.0, x)[0])
    [kernel] = [k for k in f.report(np.ones(4)) if k.kind == "control"]
    assert (kernel.space, kernel.steps, kernel.operations) == ((4,), ("loop", "multiply"), 4)


def test_loops_are_told_by_how_they_run() -> None:
    def summary(f: Any, *args: Any) -> str:
        compiled = cr.compile(f)
        compiled(*args)
        (version,) = compiled.versions.values()
        return str(version.run.summary())

    def cumulated(x: Any) -> Any:
        return cr.scan(lambda c, x: (np.tanh(c + x), c), 0.0, x)[1].sum()

    assert "1 loop within the code" in summary(cumulated, np.ones(5))
    assert "2 loops within the code" in summary(cr.grad(cumulated), np.ones(5))
    assert "NumPy" not in summary(cr.grad(cumulated), np.ones(5))
    sorting = lambda a: cr.scan(lambda c, _: (np.sort(c - a), None), a, length=3)[0]  # noqa: E731
    told = summary(sorting, np.eye(3) + 1)
    assert "a loop whose steps Python calls, since its body has 1 step by NumPy" in told
    assert told.endswith("no code: argsort")
    branch = summary(lambda x: cr.cond(x > 0, np.sin, np.cos, x), 1.0)
    assert "1 branch within the code" in branch
    assert "NumPy" not in branch
