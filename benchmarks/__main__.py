"""Run all benchmarks and print them as a Markdown table: ``python -m benchmarks [NAME…]``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date

from benchmarks import engine, works
from benchmarks.harness import Row, available, table

PEERS = ("autograd", "mygrad", "micrograd", "torch", "jax")
WORKS = {
    "logistic": lambda: [works.scalar_logistic()],
    "chain": lambda: [works.scalar_chain(10_000), works.scalar_chain(100_000)],
    "engine": engine.rows,
    "rosenbrock": lambda: [
        works.rosenbrock(n, order) for order in (1, 2) for n in (1_000, 100_000, 1_000_000)
    ],
}


def import_cost() -> str:
    """Milliseconds of ``import chainrule`` beyond ``import numpy``, median of fresh processes."""
    code = (
        "import time, numpy; t = time.perf_counter(); import chainrule;"
        "print((time.perf_counter() - t) * 1e3)"
    )
    with tempfile.TemporaryDirectory() as cache:  # byte code is kept between runs, as it usually is
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache
        command = [sys.executable, "-c", code]
        runs = [
            float(subprocess.run(command, capture_output=True, text=True, env=env).stdout)
            for _ in range(8)
        ][1:]
    return f"`import chainrule` beyond `import numpy`: {statistics.median(runs):.1f} ms (target 30)"


def main() -> None:
    """Print machine, versions and the table; packages that are missing are named and left out."""
    chosen = sys.argv[1:] or [*WORKS, "import"]
    versions = [
        f"Python {platform.python_version()}",
        f"NumPy {importlib.metadata.version('numpy')}",
    ]
    versions += [f"{p} {importlib.metadata.version(p)}" for p in PEERS if available(p)]
    missing = [p for p in PEERS if not available(p)]
    print(f"{date.today()}, {platform.machine()} {platform.system()}, {', '.join(versions)}")
    if missing:
        print(f"Not installed, left out: {', '.join(missing)}")
    print("Median time; in brackets chainrule's time over the peer's (below 1: chainrule wins).\n")
    rows: list[Row] = []
    for name in chosen:
        if name == "import":
            continue
        if name not in WORKS:
            sys.exit(f"no benchmark named {name!r}: choose from {', '.join([*WORKS, 'import'])}")
        rows += WORKS[name]()
    if rows:
        print(table(rows))
    if "import" in chosen:
        print("\n" + import_cost())


main()
