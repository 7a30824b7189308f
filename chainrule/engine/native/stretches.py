"""The order of a program's groups: which are one function, and what the code says of them."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.groups import Group
from chainrule.engine.program import Op
from chainrule.records import dataclass

COMMENTS = 100  # steps of a kernel that are named in the source
CALL = 20  # lines that a call takes, with its addresses
FUNCTION = 1200  # lines of code in one function, with the products that it calls


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


@dataclass(frozen=True)
class Part:
    """Groups that are done by one function.

    Attributes:
        groups: what is done.
        quick: the function's own code, but for what it calls, need not be good.
    """

    groups: list[Group]
    quick: bool


def parts(
    groups: Sequence[Group], shared: Container[Group], brief: Collection[Group]
) -> list[Part]:
    """The groups in functions of a size that LLVM is quick with, and can do side by side.

    Of those that share their code with others a function has a call only.

    Args:
        groups: native ones, in order.
        shared: those that share their code.
        brief: those whose code need not be good.
    """
    found: list[Part] = []
    size = 0
    for group in groups:
        called = group in shared or group.kind in ("product", "rows", "tape", "control")
        weight = CALL if group in shared else _lines(group)
        quick = group in brief or (called and bool(brief))
        other = not found or (not called and found[-1].quick is not quick)
        if other or size + weight > FUNCTION:
            found.append(Part([], quick))
            size = 0
        found[-1].groups.append(group)
        size += weight
    return found or [Part([], False)]


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


__all__ = ["Part", "Stretch", "comment", "named", "parts", "stretches"]
