"""What the machine is, and what it can do at most: to judge figures of another machine by."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks import THREADS, peers

VECTORS = ("avx512f", "avx2", "avx", "asimd", "neon")  # the widest first
# Products m × k × n: those that fit into the second-level cache, and those worth two threads.
SHAPES = ((128, 256, 128), (128, 784, 256), (512, 784, 256), (1024, 256, 256), (512, 2048, 2048))


def description() -> str:
    """Date, processor, vectors, processors in use, and versions."""
    found, missing = peers.versions()
    name, flags = _processor()
    vectors = next((v for v in VECTORS if v in flags), "unknown vectors")
    lines = [
        f"{date.today()}, {platform.system()} on {platform.machine()}: {name}, {vectors}, "
        f"{THREADS} threads on {_processors()} processors",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "llvmlite"))
        + f", {', '.join(found)}",
    ]
    if missing:
        lines.append(f"Not installed, left out: {', '.join(missing)}")
    return "\n\n".join(lines)


def _processor() -> tuple[str, set[str]]:
    info = Path("/proc/cpuinfo")
    if not info.exists():  # not on this system
        return platform.processor() or "unknown processor", set()
    rows = (row.partition(":") for row in info.read_text().splitlines())
    table = {key.strip().lower(): value.strip() for key, _, value in reversed(list(rows))}
    return table.get("model name", "unknown processor"), set(
        table.get("flags", table.get("features", "")).split()
    )


def _processors() -> int:
    from chainrule.engine.native.threads import available

    return available()


def peaks() -> str:
    """The quickest float32 product, and the rate at which memory is read and copied."""
    rng = np.random.default_rng(0)
    lines = []
    for threads in range(1, THREADS + 1):
        cr.set_threads(threads)
        rates = {}
        for m, k, n in SHAPES:
            a, b = (rng.standard_normal(s, dtype=np.float32) for s in ((m, k), (k, n)))
            product = cr.compile(lambda a, b: a @ b)
            seconds = _quickest(lambda product=product, a=a, b=b: product(a, b))
            rates[f"{m}×{k}×{n}"] = 2e-9 * m * k * n / seconds
        x = rng.standard_normal(16_000_000, dtype=np.float32)
        total, scaled = cr.compile(np.sum), cr.compile(lambda x: 2 * x)
        reading = 1e-9 * x.nbytes / _quickest(lambda total=total, x=x: total(x))
        copying = 2e-9 * x.nbytes / _quickest(lambda scaled=scaled, x=x: scaled(x))
        best = max(rates, key=rates.__getitem__)
        lines.append(
            f"{threads} thread{'s' if threads > 1 else ''}: product {rates[best]:.0f} GFLOP/s "
            f"({best}), memory read {reading:.1f} GB/s, read and written {copying:.1f} GB/s."
        )
    cr.set_threads(THREADS)
    return "\n".join(["The machine at its best, float32, by chainrule's own kernels:", "", *lines])


def _quickest(call: Callable[[], Any], seconds: float = 0.4) -> float:
    """The shortest of many runs: what the machine can do, whatever else it does."""
    call()
    best = np.inf
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return float(best)
