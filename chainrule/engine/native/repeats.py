"""Many steps in one call: the code goes through the same function again and again."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I1, I8, I64, POINTER, index
from chainrule.engine.native.looking import LONGEST, LOOK, nanoseconds
from chainrule.engine.native.threads import barrier

_REPEAT = ir.FunctionType(I64, [POINTER, I64, I64, POINTER, I64])


def emit_repeat(
    module: ir.Module,
    step: str,
    moves: Sequence[tuple[int, int]],
    until: int | None,
    word: int | None,
    cost: int,
) -> None:
    """``i64 repeat(table, thread, threads, sync, count)``: steps, each with what comes next.

    It returns how many it has done: ``count``, or fewer where the condition or a failure ends them.

    Args:
        module: where it goes.
        step: the name of the function that does one step.
        moves: (slot, bytes) of the addresses in the table that move on after each step.
        until: the slot of a truth value that lets it go on, or None.
        word: the slot of the word of :mod:`chainrule.engine.native.looking`, or None.
        cost: what a step is subtracted from the word as, which is looked for Ctrl-C by; 0 for
            steps that are together short.
    """
    function = ir.Function(module, _REPEAT, "repeat")
    entry, loop, again, after = map(
        function.append_basic_block, ("entry", "loop", "again", "after")
    )
    table, thread, threads, sync, count = function.args
    wait = barrier(module, module.triple)
    b = ir.Builder(entry)
    b.cbranch(b.icmp_signed(">", count, index(0)), loop, after)
    b.position_at_end(loop)
    i = b.phi(I64)
    b.call(module.globals[step], [table, thread, threads, sync])
    is_first = b.icmp_signed("==", thread, index(0))
    if cost and word is not None:
        with b.if_then(is_first):
            _account(b, _place(b, table, word), cost)
    b.call(wait, [sync, threads])
    with b.if_then(is_first):
        for slot, size in moves:
            place = _place(b, table, slot)
            moved = b.gep(b.load(place, POINTER), index(size), I8)
            b.store(moved, place)
    goes_on: ir.Value = ir.Constant(I1, 1)
    if until is not None:
        truth = b.load(b.load(_place(b, table, until), POINTER), I8)
        goes_on = b.icmp_unsigned("!=", truth, ir.Constant(I8, 0))
    if word is not None:
        found = b.load(_place(b, table, word), I64)
        goes_on = b.and_(goes_on, b.icmp_signed("<=", found, index(0)))
    following, last = b.add(i, index(1)), b.block
    b.cbranch(b.and_(goes_on, b.icmp_signed("<", following, count)), again, after)
    b.position_at_end(again)
    b.call(wait, [sync, threads])
    i.add_incoming(index(0), entry)
    i.add_incoming(following, again)
    b.branch(loop)
    b.position_at_end(after)
    done = b.phi(I64)
    done.add_incoming(index(0), entry)
    done.add_incoming(following, last)
    b.ret(done)


def _account(b: ir.Builder, place: ir.Value, cost: int) -> None:
    """Subtract a step from the word, and look where that is due."""
    before = b.load(place, I64)
    fine = b.icmp_signed("<=", before, index(0))
    after = b.select(fine, b.sub(before, index(cost)), before)
    b.store(after, place)
    due = b.icmp_signed("<", after, index(-nanoseconds(LONGEST)))
    with b.if_then(due, likely=False):
        b.store(b.call(b.module.declared("look", LOOK), []), place)


def call_repeat(
    b: ir.Builder, name: str, table: ir.Value, count: ir.Value, threads: Sequence[ir.Value]
) -> ir.Value:
    """Call such a function of other code; the number of steps that it has done.

    Args:
        b: where to write it.
        name: what it is called here.
        table, count: as above.
        threads: thread, threads and sync.
    """
    return b.call(b.module.declared(name, _REPEAT), [table, *threads, count])


def _place(b: ir.Builder, table: ir.Value, slot: int) -> ir.Value:
    return b.gep(table, index(slot), POINTER)


__all__ = ["call_repeat", "emit_repeat"]
