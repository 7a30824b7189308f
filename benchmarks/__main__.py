"""Run all benchmarks and print them as a Markdown table: ``python -m benchmarks [NAME…]``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from benchmarks import functions, machine, recording, training, using
from benchmarks.harness import Row, head, line

SIZES = (1_000, 100_000, 1_000_000)
WORKS: dict[str, Callable[[], Iterator[Row | list[Row]]]] = {
    "scalar": lambda: iter([functions.scalar()]),
    "chain": lambda: iter([functions.chain()]),
    "rosenbrock": lambda: (functions.rosenbrock(n, order) for order in (1, 2) for n in SIZES),
    "regression": lambda: iter([functions.logistic_regression()]),
    "small": lambda: (work() for work in (training.small_steps, using.small_fit)),
    "multilayer": lambda: (training.multilayer(norm=norm) for norm in (False, True)),
    "convolutional": lambda: iter([training.convolutional()]),
    "wide": lambda: iter([training.wide()]),
    "adam": lambda: iter([functions.adam()]),
    "hessian": lambda: iter([functions.hessian()]),
    "filter": lambda: iter([functions.kalman_filter()]),
    "predict": lambda: (using.predict(rows) for rows in (1, 10_000)),
    "compile": lambda: iter([using.compiling()]),
    "start": lambda: iter([using.start()]),
    "memory": lambda: iter([using.memory()]),
    "recording": recording.rows,
    "import": lambda: iter([import_cost()]),
}


def import_cost() -> Row:
    """``import chainrule`` beyond ``import numpy``, median of fresh processes."""
    code = (
        "import time, numpy; t = time.perf_counter(); import chainrule;"
        "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as cache:  # byte code is kept between runs, as it usually is
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache
        command = [sys.executable, "-c", code]
        runs = [
            float(subprocess.run(command, capture_output=True, text=True, env=env).stdout)
            for _ in range(8)
        ][1:]
    row = Row("`import chainrule` beyond `import numpy`", "ms", 1e3, 30)
    row.seconds = {"chainrule": statistics.median(runs)}
    return row


def main() -> None:
    """Print the machine, a row for each piece of work, and notes; missing packages are named."""
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or [*WORKS]
    unknown = [name for name in chosen if name not in WORKS]
    if unknown:
        sys.exit(f"no benchmark named {unknown[0]!r}: choose from {', '.join(WORKS)}")
    began = time.perf_counter()
    print(machine.description() + "\n")
    print(machine.peaks() + "\n")
    print(
        "Medians of rounds in which the contestants take turns. The ratio is chainrule's time\n"
        "over the best peer's; the goal is that of the target, in brackets, and the best peer on\n"
        "the machine on which it was set. Where there is no peer, both are the figure itself.\n"
    )
    print(head(), flush=True)
    rows: list[Row] = []
    for name in chosen:
        for made in WORKS[name]():
            for row in made if isinstance(made, list) else [made]:
                rows.append(row)
                print(line(row), flush=True)
    judged = [row.met for row in rows if row.met is not None]
    print(f"\n{sum(judged)} of {len(judged)} goals met; {time.perf_counter() - began:.0f} s.\n")
    for note in dict.fromkeys(note for row in rows for note in row.notes):
        print(f"- {note}")


main()
