"""What the processor can do at most: operations a second, and bytes a second.

Measured once in some hundredths of a second, in one thread, and kept beside the object code.

Source: Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for
multicore architectures", Communications of the ACM 52 (2009).
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from chainrule.engine.capture import capture
from chainrule.engine.native import cache
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.target import Target, host
from chainrule.engine.simplifying import simplified
from chainrule.records import dataclass
from chainrule.tracing import flatten

NEAR = 2**20  # bytes that stay in the processor's caches


@dataclass(frozen=True)
class Roofline:
    """The limits of one thread.

    Attributes:
        float32, float64: operations a second in products.
        near, far: bytes a second that are read from the caches, and from memory.
    """

    float32: float
    float64: float
    near: float
    far: float

    def seconds(self, operations: float, size: float, dtype: str) -> float:
        """The least time for so many operations on so many bytes."""
        peak = self.float32 if dtype == "float32" else self.float64
        return max(operations / peak, size / (self.near if size < NEAR else self.far))


@functools.cache
def roofline(target: Target | None = None) -> Roofline:
    """The limits of this processor, measured or remembered."""
    if target is None:
        return roofline(host())
    name = cache.key("roofline", target)
    known = cache.load(name)
    if known is not None:
        return Roofline(**json.loads(known))
    found = _measured(target)
    cache.store(name, json.dumps(asdict(found)).encode())
    return found


def _measured(target: Target) -> Roofline:
    rates = {}
    for dtype in ("float32", "float64"):
        a, b = np.ones((128, 256), dtype), np.ones((256, 128), dtype)
        rates[dtype] = 2 * 128 * 256 * 128 / _time(lambda a, b: a @ b, [a, b], target, 200)
    call = _time(lambda x: x.sum(), [np.ones(8)], target, 200)
    speeds = []
    for size, repeats in ((NEAR // 4, 300), (64 * NEAR, 3)):
        x = np.ones(size // 8)
        whole = _time(lambda x: x.sum(), [x], target, repeats)
        speeds.append(x.nbytes / max(whole - call, whole / 2))  # on a busy machine a call is slow
    return Roofline(rates["float32"], rates["float64"], *speeds)


def _time(f: Callable[..., Any], args: Sequence[Any], target: Target, repeats: int) -> float:
    """The shortest of several times."""
    leaves, spec = flatten((tuple(args), {}))
    run = Compiled(simplified(capture(f, leaves, spec).graph), target)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run(leaves)
        times.append(time.perf_counter() - began)
    return min(times)


__all__ = ["Roofline", "roofline"]
