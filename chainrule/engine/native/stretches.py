"""The order of a program's groups: which are one function, and what the code says of them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.groups import Group
from chainrule.engine.program import Op
from chainrule.records import dataclass

COMMENTS = 100  # steps of a kernel that are named in the source
CALL = 20  # lines that a call takes, with its addresses
FUNCTION = 2500  # lines of code in one function, with the products that it calls


@dataclass(frozen=True)
class Stretch:
    """Groups that run in one go: native ones as one function, or a single one of NumPy's."""

    groups: tuple[Group, ...]
    symbol: str = ""


def stretches(groups: Sequence[Group], apart: bool) -> list[Stretch]:
    found: list[Stretch] = []
    native: list[Group] = []

    def close() -> None:
        if native:
            found.append(Stretch(tuple(native), f"stretch_{len(found)}"))
            native.clear()

    for group in groups:
        if group.kind == "numpy":
            close()
            found.append(Stretch((group,)))
        else:
            native.append(group)
            if apart:
                close()
    close()
    return found


def parts(groups: Sequence[Group], shared: Container[Group]) -> list[list[Group]]:
    """The groups in functions of a size that LLVM is quick with, and can do side by side.

    Of those that share their code with others a function has a call only.
    """
    found: list[list[Group]] = [[]]
    size = 0
    for group in groups:
        weight = CALL if group in shared else _lines(group)
        if found[-1] and size + weight > FUNCTION:
            found.append([])
            size = 0
        found[-1].append(group)
        size += weight
    return found


def _lines(group: Group) -> int:
    """About how many lines of code a group is."""
    if group.kind in ("tape", "control"):
        return CALL
    return (300 if group.kind == "product" else 50) + 6 * len(group.ops)


def named(op: Op) -> str:
    """What an operation is called in the code: an input by its name."""
    return str(op.params["name"]) if op.name == "input" else f"{op.name}_{op.index}"


def comment(b: ir.Builder, group: Group) -> None:
    """The steps of a group with the lines that they come from, as comments in the code."""
    b.comment(f"{group.kind} {'×'.join(map(str, group.space)) or '1'}")
    if group.ops[0].name == "stretch":
        steps = group.ops[0].params["steps"]
        for words in steps.words(COMMENTS):
            b.comment(f"  {words}")
        if len(steps) > COMMENTS:
            b.comment(f"  and {len(steps) - COMMENTS:,} more")
        return
    line = ""
    for op in group.ops[:COMMENTS]:
        now = op.node.line if op.node is not None else ""
        args = ", ".join(
            (f"%{a.index}" if a.name != "input" else named(a)) if isinstance(a, Op) else str(a)
            for a in op.args
        )
        b.comment(f"  %{op.index} = {op.name}({args})" + (f"  {now}" if now != line else ""))
        line = now
    if len(group.ops) > COMMENTS:
        b.comment(f"  and {len(group.ops) - COMMENTS:,} more")


__all__ = ["Stretch", "comment", "named", "parts", "stretches"]
