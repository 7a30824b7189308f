"""Memory of a program: nothing is written over that is still to be read, and it is little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn, optim
from chainrule.engine.capture import capture
from chainrule.engine.native import storage
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import ALIGNMENT, Span, place, rounded
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten
from chainrule.train.step import Batch, TrainState, training_step
from tests.engine.test_random_programs import LINE, arrays, program


class Arena:
    """Says for each 64 bytes of the arena whose they are."""

    def __init__(self, compiled: Compiled) -> None:
        self.storage, self.layout = compiled.storage, compiled.grouping.layout
        self.work = compiled.work
        self.owner = np.zeros(self.storage.arena_size // ALIGNMENT, object)

    def cells(self, start: int, size: int) -> slice:
        assert start % ALIGNMENT == 0
        assert start + size <= self.storage.arena_size
        return slice(start // ALIGNMENT, (start + rounded(size)) // ALIGNMENT)

    def of(self, op: Any) -> slice:
        return self.cells(self.storage.offsets[op], max(op.size, 1) * op.dtype.itemsize)

    def run(self, groups: Any) -> None:
        """All groups in their order."""
        for group in groups:
            read = {self.layout(a).root for op in group.ops for a in op.sources()}
            read = {x for x in read if x in self.storage.offsets and x not in group.members}
            for x in read:
                assert (self.owner[self.of(x)] == x).all(), f"{x} was overwritten"
            for sweep in self.storage.sweeps:
                if sweep.second is group:
                    cells = self.cells(self.storage.sums[sweep], sweep.size)
                    assert (self.owner[cells] == sweep).all()
            claims = self.claims(group)
            for name, cells in claims.items():
                self.owner[cells] = name
            for name, cells in claims.items():
                assert (self.owner[cells] == name).all(), "two results in one place"
            for x in read:  # of what is read something else may lie there, element by element
                owners = set(self.owner[self.of(x)])
                assert owners == {x} or self.is_heir(x, owners)

    def is_heir(self, x: Any, owners: set[Any]) -> bool:
        y = owners.pop()
        same = not owners and self.storage.offsets.get(y) == self.storage.offsets[x]
        return same and (y.size, y.dtype) == (x.size, x.dtype)

    def claims(self, group: Any) -> dict[Any, slice]:
        storage = self.storage
        found = {op: self.of(op) for op in group.stored if op in storage.offsets}
        if group in storage.scratch:
            start, size = storage.scratch[group]
            found[group] = self.cells(start, size * self.work.copies(group, storage.threads))
        if group in storage.registers:
            found[group] = self.cells(storage.registers[group], 1)
        for sweep in storage.sweeps:
            if sweep.first is group:
                found[sweep] = self.cells(storage.sums[sweep], sweep.size)
        return found


def hold(compiled: Compiled) -> None:
    Arena(compiled).run(compiled.grouping.groups)


@settings(max_examples=60, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    st.lists(LINE, min_size=1, max_size=25),
    st.lists(st.integers(0, 83), min_size=1, max_size=3),
    st.booleans(),
)
def test_nothing_is_overwritten_in_random_programs(lines: Any, which: Any, derive: bool) -> None:
    values, f = arrays(which, 0, True), program(lines)
    if derive:

        def total(*xs: Any) -> Any:
            return sum((y.sum() for y in f(*xs)), 0.0) + 0.0 * sum(x.sum() for x in xs)

        compiled = cr.compile(cr.grad(total, argnums=tuple(range(len(values)))))
    else:
        compiled = cr.compile(f)
    with np.errstate(all="ignore"):
        compiled(*values)
    for version in compiled.versions.values():
        if isinstance(version.run, Compiled):
            hold(version.run)


def step(layers: list[Any], shape: tuple[int, ...], rows: int) -> Compiled:
    """A training step whose batch is rows of the data."""
    network = nn.Sequential(layers)
    params, state = network.build(0, shape, dtype=np.float32)
    rule = optim.Adam()
    one = training_step(network, lambda y, out, _: cr.softmax_cross_entropy(out, y).mean(), rule)

    def whole(state: Any, data: Any, own: Any) -> Any:
        x, y = data
        state, result = one(state, Batch(x[own], y[own]), (0,), None)
        return state, result.loss

    rng = np.random.default_rng(0)
    x = rng.standard_normal((3 * rows, *shape)).astype(np.float32)
    y = rng.integers(0, 10, len(x))
    start = TrainState(params, rule.init(params), state)
    leaves, spec = flatten(((start, (x, y), np.arange(rows)), {}))
    kept = len(flatten(start)[0])
    return Compiled(simplified(capture(whole, leaves, spec, "step").graph), donated=kept)


def dense(norm: bool) -> list[Any]:
    made: list[Any] = []
    for units in (256, 128):
        made += [nn.Dense(units, activation="relu"), *[nn.BatchNormalization()] * norm]
    return [*made, nn.Dense(10)]


def images() -> list[Any]:
    made: list[Any] = []
    for filters in (16, 32):
        made += [nn.Conv2D(filters, 5, activation="relu"), nn.MaxPooling2D(2)]
    return [*made, nn.Flatten(), nn.Dense(10)]


@pytest.mark.parametrize(
    ("layers", "shape", "activations", "most"),
    [
        (dense(False), (784,), 784 + 256 + 128 + 10, 1.2),
        (dense(True), (784,), 784 + 2 * (256 + 128) + 10, 1.5),
        (images(), (28, 28, 1), 28**2 + 16 * (24**2 + 12**2) + 32 * (8**2 + 4**2) + 10, 1.5),
    ],
    ids=["dense", "normalized", "images"],
)
def test_a_training_step_needs_little(
    layers: Any, shape: Any, activations: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "most", lambda: 2)  # threads
    compiled = step(layers, shape, 64)
    assert compiled.is_native
    hold(compiled)
    assert compiled.storage.arena_size < most * 64 * activations * 4


def test_a_value_takes_the_memory_of_what_it_is_made_from() -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        a = y - y.sum(1, keepdims=True)  # y is read for the last time
        b = a * a.max(0)
        return b.T @ b

    compiled = cr.compile(f)
    x = np.random.default_rng(0).standard_normal((40, 30))
    y = np.exp(x)
    a = y - y.sum(1, keepdims=True)
    b = a * a.max(0)
    np.testing.assert_allclose(compiled(x), b.T @ b, rtol=1e-10)
    run = next(iter(compiled.versions.values())).run
    hold(run)
    assert run.storage.arena_size < 2 * x.nbytes


def test_what_is_read_later_in_the_same_kernel_keeps_its_memory() -> None:
    def f(x: Any, w: Any) -> Any:
        h = np.sin(x)
        a = h @ w + h  # the same numbers are read by the product, row by row
        return a @ np.cos(a).T + h.sum()

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((30, 30)), rng.standard_normal((30, 30))
    h = np.sin(x)
    a = h @ w + h
    compiled = cr.compile(f)
    np.testing.assert_allclose(compiled(x, w), a @ np.cos(a).T + h.sum(), rtol=1e-9, atol=1e-9)
    hold(next(iter(compiled.versions.values())).run)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 9), st.integers(0, 4)), max_size=20))
def test_places_never_overlap(lines: Any) -> None:
    spans = [Span(size, first, first + length) for size, first, length in lines]
    offsets, total = place(spans)
    for time in range(14):
        cells = np.zeros(total, int)
        for span, offset in zip(spans, offsets, strict=True):
            if span.first <= time <= span.last:
                cells[offset : offset + span.size] += 1
        assert cells.max(initial=0) <= 1
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
