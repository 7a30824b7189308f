"""Timing several contestants in turn, so that a machine's slow spells hit all of them."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OWN = "chainrule"  # contestants whose names begin so are no peers
QUICK = "--quick" in sys.argv  # does everything run? The figures are worth little
LONG = 1.0  # seconds of a call that needs no second one to warm up
Contestants = dict[str, Callable[[], Any]]


@dataclass
class Row:
    """One piece of work, and what each contestant took for it.

    Attributes:
        work, unit: what is measured, and in what.
        scale: seconds × scale is the figure in that unit; of a rate, scale / seconds.
        target: the figure to reach.
        bracket: the best peer's figure on the machine on which the target was set, or None.
            Machines differ, so the goal of a run is the target over the bracket; without a
            bracket it is the target itself.
        rate: more is better.
        seconds: of each contestant.
        notes: printed below the table.
    """

    work: str
    unit: str
    scale: float
    target: float
    bracket: float | None = None
    rate: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def figure(self, seconds: float) -> float:
        return self.scale / seconds if self.rate else self.scale * seconds

    @property
    def own(self) -> float:
        return self.seconds[OWN]

    @property
    def best(self) -> str | None:
        """The quickest peer."""
        peers = [name for name in self.seconds if not name.startswith(OWN)]
        return min(peers, key=self.seconds.__getitem__, default=None)

    @property
    def ratio(self) -> float:
        """The time of chainrule over that of the quickest peer; below 1 chainrule wins."""
        return self.own / self.seconds[self.best] if self.best else self.figure(self.own)

    @property
    def goal(self) -> float:
        """What the ratio is to be at most."""
        if self.bracket is None:
            return self.target
        return self.bracket / self.target if self.rate else self.target / self.bracket

    @property
    def met(self) -> bool | None:
        """Is the goal reached? None where there is nobody to compare with."""
        return None if self.bracket is not None and not self.best else self.ratio <= self.goal


def agree(
    contestants: Contestants,
    value: Callable[[Any], Any] = lambda result: result,
    rtol: float = 1e-6,
    atol: float = 0.0,
) -> None:
    """Every contestant computes the same numbers, or the comparison means nothing.

    Args:
        contestants: called once each.
        value: takes the numbers to compare, an array or several, out of a result.
        rtol, atol: as in ``numpy.allclose``.
    """
    own: list[np.ndarray] | None = None
    for name, call in contestants.items():
        found = value(call())
        parts = found if isinstance(found, (tuple, list)) else (found,)
        result = [np.array(part) for part in parts]
        if own is None:
            own = result
        for a, b in zip(result, own, strict=True):
            np.testing.assert_allclose(a, b, rtol, atol, err_msg=name)


def measure(
    contestants: Contestants, *, rounds: int = 7, seconds: float = 0.15
) -> dict[str, float]:
    """Median seconds a call of each contestant, over rounds in which they take turns.

    Args:
        contestants: by their names.
        rounds: how many.
        seconds: a contestant is called over and over for about so long, at least once.
    """
    if QUICK:
        rounds, seconds = 1, 0.0
    repeats = {}
    for name, call in contestants.items():
        once = _once(call)  # with imports, caches, compilation
        if once < LONG:
            once = _once(call)
        repeats[name] = max(1, int(seconds / once))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: float(np.median(times)) for name, times in samples.items()}


def _once(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-7)


@contextlib.contextmanager
def empty_cache() -> Iterator[str]:
    """chainrule's object code goes to a new, empty folder, which is given."""
    import tempfile  # not for the processes that are measured from their start

    before = os.environ.get("CHAINRULE_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CHAINRULE_CACHE"] = folder
        try:
            yield folder
        finally:
            del os.environ["CHAINRULE_CACHE"]
            if before is not None:
                os.environ["CHAINRULE_CACHE"] = before


HEAD = ("work", "chainrule", "best peer", "ratio", "goal", "met", "all")


def line(row: Row) -> str:
    """A row as Markdown."""
    others = [f"{n} {_short(row.figure(s))}" for n, s in row.seconds.items() if n != OWN]
    best = f"{row.best} {_short(row.figure(row.seconds[row.best]))}" if row.best else "–"
    ratio = f"{row.ratio:.3g}" if row.best or row.bracket is None else "–"
    sign = "≥" if row.rate else "≤"
    where = "" if row.bracket == 1.0 else f" ({sign} {_short(row.target)})"  # set as a ratio
    cells = (
        f"{row.work}, {row.unit}",
        _short(row.figure(row.own)),
        best,
        ratio,
        f"{row.goal:.3g}{where}",
        {True: "yes", False: "no", None: "–"}[row.met],
        "; ".join(others) or "–",
    )
    return f"| {' | '.join(cells)} |"


def head() -> str:
    return f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}"


def _short(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"
