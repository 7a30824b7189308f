"""The modules that a program is written to: what LLVM is to make well, and what quickly.

LLVM takes a third of the time for code that need not be good. That is code that takes next to
nothing of a run; with what calls it and the rest, it is more than half of most programs.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.engine.native import ir

LARGE = 800  # lines of a module that LLVM can begin with


class Modules:
    """Open modules, one for quick code and one for the rest.

    Args:
        triple: of the processor.
    """

    def __init__(self, triple: str) -> None:
        self._triple = triple
        self._written: set[str] = set()
        self._open: dict[bool, ir.Module] = {}

    def of(self, quick: bool) -> ir.Module:
        """The module for such code."""
        if quick not in self._open:
            self._open[quick] = ir.Module("chainrule", self._triple, self._written, quick)
        return self._open[quick]

    def closed(self, lines: int = LARGE) -> Iterator[ir.Module]:
        """Those that have so many lines; what follows goes to new ones."""
        for quick in (False, True):
            if quick in self._open and self._open[quick].lines >= lines:
                yield self._open.pop(quick)


__all__ = ["Modules"]
