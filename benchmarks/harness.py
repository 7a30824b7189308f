"""Timing several contestants in turn, so that a machine's slow spells hit all of them."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Contestants = dict[str, Callable[[], object]]


@dataclass
class Row:
    """One piece of work and the median seconds that each contestant took for it."""

    work: str
    unit: str
    scale: float  # seconds to the unit, per unit of work
    target: str = ""
    medians: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def available(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def measure(
    contestants: Contestants, *, rounds: int = 7, seconds: float = 0.15
) -> dict[str, float]:
    """Median seconds a call of each contestant, over rounds in which they take turns."""
    repeats = {}
    for name, call in contestants.items():
        call()  # warm up: imports, caches, compilation
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        repeats[name] = max(1, int(seconds / once))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def table(rows: list[Row]) -> str:
    """The rows as Markdown: time of each contestant and, in brackets, chainrule's over it."""
    names = list(dict.fromkeys(name for row in rows for name in row.medians))
    lines = [
        "| work | " + " | ".join(names) + " | target |",
        "|---|" + "---|" * (len(names) + 1),
    ]
    for row in rows:
        own = row.medians["chainrule"]
        cells = []
        for name in names:
            if name not in row.medians:
                cells.append("–")
                continue
            t = row.medians[name]
            ratio = "" if name == "chainrule" else f" ({own / t:.2f})"
            cells.append(f"{t * row.scale:,.3g}{ratio}")
        lines.append(f"| {row.work}, {row.unit} | " + " | ".join(cells) + f" | {row.target} |")
    notes = [note for row in rows for note in row.notes]
    return "\n".join([*lines, *(["", *notes] if notes else [])])
