"""Runs native programs whose memory ends, or begins, at a page that nobody may touch.

``python -m tests.engine.guard_pages`` dies of a segmentation fault where code reads or writes past
the ends of inputs, outputs, constants or the arena.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import spatial
from chainrule.engine.capture import capture
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.program import Op
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten

_system = ctypes.CDLL(None)


class Guarded:
    """Memory between two pages without any access, at the end of it or at the beginning."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end
        self.maps: list[mmap.mmap] = []

    def address(self, size: int, align: int) -> int:
        pages = max(-(-size // mmap.PAGESIZE), 1)
        memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
        self.maps.append(memory)
        first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for page in (first, first + (pages + 1) * mmap.PAGESIZE):
            assert _system.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE, 0) == 0
        start = first + mmap.PAGESIZE
        return (start + pages * mmap.PAGESIZE - size) // align * align if self.at_end else start

    def array(self, x: np.ndarray) -> np.ndarray:
        if not x.size:
            return x
        place = self.address(x.nbytes, x.itemsize)
        memory = (ctypes.c_char * x.nbytes).from_address(place)
        copy = np.frombuffer(memory, np.uint8).view(x.dtype).reshape(x.shape)
        copy[...] = x
        return copy


def run(compiled: Compiled, values: Sequence[Any], guarded: Guarded) -> list[Any]:
    """The outputs of a program that is native as a whole, all of its memory guarded."""
    inputs = [
        guarded.array(np.ascontiguousarray(x, op.dtype).reshape(op.shape))
        for x, op in zip(values, compiled.program.inputs, strict=True)
    ]
    outputs = [
        guarded.array(np.zeros(y.shape, y.dtype)) if isinstance(y, Op) else y
        for y in compiled.grouping.outputs
    ]
    made = [x for x, y in zip(outputs, compiled.grouping.outputs, strict=True) if isinstance(y, Op)]
    constants = [guarded.array(x) for x in compiled.storage.constants]
    arena = guarded.address(max(compiled.storage.arena_size, ALIGNMENT), ALIGNMENT)
    pointers = [*map(address_of, (*inputs, *made, *constants)), arena, 0]
    table = (ctypes.c_uint64 * len(pointers))(*pointers)
    compiled._functions[0](ctypes.addressof(table), 0, 1, 0, 0)
    return outputs


def check(f: Callable[..., Any], *args: Any) -> None:
    leaves, spec = flatten((args, {}))
    captured = capture(f, leaves, spec)
    compiled = Compiled(simplified(captured.graph))
    assert compiled.is_native, compiled.summary()
    expected = captured.graph.run(leaves)
    for at_end in (True, False):
        memory = Guarded(at_end)  # it must outlive the outputs
        for x, y in zip(run(compiled, leaves, memory), expected, strict=True):
            size = float(np.max(np.abs(y), initial=1.0))
            eps = float(np.finfo(y.dtype).eps) if y.dtype.kind == "f" else 0.0
            np.testing.assert_allclose(x, y, rtol=0, atol=500 * eps * size)


def network(w: Any, c: Any, x: Any) -> Any:
    labels = np.arange(len(x.value)) % len(c.value)
    return cr.softmax_cross_entropy(np.tanh(x @ w + c), labels).mean()


def image(k: Any, x: Any) -> Any:
    return (cr.relu(spatial.conv2d(x, k, stride=2)) ** 2).sum() + spatial.max_pool(x, 2).sum()


def rows(x: Any) -> Any:
    return x.sum(0), x.max(1), x.T * 2, cr.softmax(x, axis=1), x[::-1] > 0, x[:, 1:] - x[:, :-1]


def factors(a: Any, b: Any) -> Any:
    w, _ = np.linalg.eigh(a + np.swapaxes(a, -1, -2))
    q, r = np.linalg.qr(a)
    return np.linalg.solve(a, b), np.linalg.inv(a[..., ::-1]), np.linalg.slogdet(a)[1], w, q @ r


def main() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for m, k, n in ((1, 7, 40), (33, 20, 1), (17, 33, 50), (7, 3, 19)):
            w, c, x = (rng.standard_normal(s).astype(dtype) for s in ((k, n), (n,), (m, k)))
            check(cr.value_and_grad(network, argnums=(0, 1)), w, c, x)
            chosen = np.arange(m + 2) % m  # the last rows too
            check(cr.value_and_grad(lambda w, x, i: (x[i] @ w).sum()), w, x, chosen)
            check(lambda x, w: x.T @ w.T, x.T.copy().reshape(k, m), w.reshape(n, k))
        for channels in (1, 5):
            x = rng.standard_normal((2, 7, 7, channels)).astype(dtype)
            kernel = rng.standard_normal((3, 3, channels, 3)).astype(dtype)
            check(cr.value_and_grad(image, argnums=(0, 1)), kernel, x)
        for size in (2, 3, 5, 9, 17, 31):
            check(rows, rng.standard_normal((3, size)).astype(dtype))
            check(rows, rng.standard_normal((size, 3)).astype(dtype))
            index = rng.integers(0, size, 7)
            matrices = 5 * np.eye(size) + rng.standard_normal((2, size, size))
            check(factors, matrices.astype(dtype), rng.standard_normal((size, 3)).astype(dtype))
            check(lambda x, i: x[i], rng.standard_normal((size, 5)), index)
    print("no address was out of bounds")


if __name__ == "__main__":
    main()
