"""Many steps in one call: the code goes through the same function again and again."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engine.native import ir
from chainrule.engine.native.ir import I1, I8, I64, POINTER, VOID, index
from chainrule.engine.native.threads import barrier

_REPEAT = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER, I64])


def emit_repeat(
    module: ir.Module,
    step: str,
    moves: Sequence[tuple[int, int]],
    until: int | None,
    failed: int | None,
) -> None:
    """``void repeat(table, thread, threads, sync, count)``: steps, each with what comes next.

    Args:
        module: where it goes.
        step: the name of the function that does one step.
        moves: (slot, bytes) of the addresses in the table that move on after each step.
        until: the slot of a truth value that lets it go on, or None.
        failed: the slot that is not 0 once a step has failed, which ends it, or None.
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
    b.call(wait, [sync, threads])
    with b.if_then(b.icmp_signed("==", thread, index(0))):
        for slot, size in moves:
            place = _place(b, table, slot)
            moved = b.gep(b.load(place, POINTER), index(size), I8)
            b.store(moved, place)
    goes_on: ir.Value = ir.Constant(I1, 1)
    if until is not None:
        truth = b.load(b.load(_place(b, table, until), POINTER), I8)
        goes_on = b.icmp_unsigned("!=", truth, ir.Constant(I8, 0))
    if failed is not None:
        number = b.load(_place(b, table, failed), I64)
        goes_on = b.and_(goes_on, b.icmp_signed("==", number, index(0)))
    following = b.add(i, index(1))
    b.cbranch(b.and_(goes_on, b.icmp_signed("<", following, count)), again, after)
    b.position_at_end(again)
    b.call(wait, [sync, threads])
    i.add_incoming(index(0), entry)
    i.add_incoming(following, again)
    b.branch(loop)
    b.position_at_end(after)
    b.ret_void()


def call_repeat(
    b: ir.Builder, name: str, table: ir.Value, count: int, threads: Sequence[ir.Value]
) -> None:
    """Call such a function of other code.

    Args:
        b: where to write it.
        name: what it is called here.
        table, count: as above.
        threads: thread, threads and sync.
    """
    b.call(b.module.declared(name, _REPEAT), [table, *threads, index(count)])


def _place(b: ir.Builder, table: ir.Value, slot: int) -> ir.Value:
    return b.gep(table, index(slot), POINTER)


__all__ = ["call_repeat", "emit_repeat"]
