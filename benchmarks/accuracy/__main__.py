"""Run the comparisons and print them as Markdown: ``python -m benchmarks.accuracy [NAME…]``."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import date

from benchmarks.accuracy import digits, heart, parity
from benchmarks.peers import available

COMPARISONS: dict[str, tuple[Callable[[], Iterator[str]], str]] = {
    "heart": (heart.compare, "sklearn"),
    "choose": (digits.choose, ""),
    "digits": (digits.final, ""),
    "torch": (parity.compare, "torch"),
}
PEERS = {"sklearn": "scikit-learn", "torch": "torch"}


def main() -> None:
    """Print versions and tables; a comparison whose peer is missing is named and left out."""
    chosen = sys.argv[1:] or [*COMPARISONS]
    unknown = [name for name in chosen if name not in COMPARISONS]
    if unknown:
        sys.exit(f"no comparison named {unknown[0]!r}: choose from {', '.join(COMPARISONS)}")
    versions = [f"Python {platform.python_version()}"]
    versions += [
        f"{name} {importlib.metadata.version(name)}"
        for module, name in {"numpy": "numpy", **PEERS}.items()
        if available(module)
    ]
    print(f"{date.today()}, {platform.machine()} {platform.system()}, {', '.join(versions)}")
    for name in chosen:
        run, peer = COMPARISONS[name]
        print(f"\n## {name}\n")
        if peer and not available(peer):
            print(f"{PEERS[peer]} is not installed: left out.")
            continue
        for line in run():
            print(line, flush=True)


main()
