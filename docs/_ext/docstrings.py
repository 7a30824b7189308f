"""Docstrings are written for people first; here their plain signs are kept from being markup."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

# A literal stays as it is; |x| is an absolute value, and (batch, *space) is no emphasis.
PARTS = re.compile(r"(``.*?``|`.*?`)|\||(?:(?<=\()|(?<=, ))\*(?=[a-z]+[ ,)])")

# A line that is a formula and no sentence: v ← α v − ε g;  θ ← θ + v
FORMULA = re.compile(r"^(?!.*>>>)(?!.* (the|is|of|a) ).* (←|=) .*[^.:]$")


def escaped(line: str) -> str:
    r"""A line of text for reStructuredText: ``|x|`` becomes ``\|x\|`` outside of literals."""
    return PARTS.sub(lambda found: found[1] or "\\" + found[0], line)


def kept_apart(lines: list[str]) -> list[str]:
    """Formulas that stand on lines of their own keep them: as a line block."""
    made: list[str] = []
    for blank, group in groupby(lines, lambda line: not line.strip()):
        block = list(group)
        if not blank and len(block) > 1 and all(FORMULA.search(line) for line in block):
            block = [re.sub(r"^( *)", r"\1| ", line) for line in block]
        made += block
    return made


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Changes the lines in place, as Sphinx wants it."""
    example, table = False, False
    for i, line in enumerate(lines):
        table ^= line.lstrip().startswith("===")
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example and not table:
            lines[i] = escaped(line)
    lines[:] = kept_apart(lines)


def bases(app: Any, name: str, thing: Any, options: Any, found: list[Any]) -> None:
    """Of the bases, those that a reader can look up."""
    found[:] = [base for base in found if base.__module__.startswith("chainrule")] or found


def setup(app: Any) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    app.connect("autodoc-process-bases", bases)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
