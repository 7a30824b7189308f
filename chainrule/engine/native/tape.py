"""Long stretches of single numbers: a tape of instructions that one small native loop runs.

LLVM takes much more than linear time for a function of many thousand steps. Here the steps are
data: three words for each instruction, and a register of eight bytes for each number that is
still needed. The loop knows the kinds of instructions of its tape; it is compiled once for each
set of them. The instructions are written in ``assembling.py``.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule.engine.native import ir, machine
from chainrule.engine.native.assembling import Instruction, Tree
from chainrule.engine.native.ir import I8, I32, I64, POINTER, VOID, index
from chainrule.engine.native.operations import compute
from chainrule.engine.native.target import TYPES, Target
from chainrule.engine.native.vectors import read, write
from chainrule.engine.program import Op


@functools.cache
def runner(kinds: tuple[Instruction, ...], bits: int, target: Target) -> machine.Code:
    """``run(words, registers, table)``: do the instructions until one that ends the tape.

    Args:
        kinds: of instructions.
        bits: of a word, 32 or 64.
        target: the processor.
    """

    def write() -> list[ir.Module]:
        return [_module(kinds, bits, target)]

    return machine.build(write, f"tape {bits} {kinds}", ["run"], target)


def _module(kinds: tuple[Instruction, ...], bits: int, target: Target) -> ir.Module:
    """Every kind of instruction ends with the jump to the next one, which lets the processor
    foresee it by what came before."""
    module = ir.Module("tape", target.triple)
    kind = ir.FunctionType(VOID, [POINTER, POINTER, POINTER])
    function = ir.Function(module, kind, "run")
    words, registers, table = function.args
    word, shift = ir.IntType(bits), 24 if bits == 32 else 48
    entry, stop = function.append_basic_block("entry"), function.append_basic_block("stop")
    blocks = [function.append_basic_block(tree[0]) for tree, _ in kinds]
    ir.Builder(stop).ret_void()
    every = [stop, *blocks]
    jumps = ir.GlobalArray(module, "jumps", [ir.BlockAddress(function, block) for block in every])
    arrivals: dict[Any, list[ir.Phi]] = {}
    for block in blocks:
        b = ir.Builder(block)
        arrivals[block] = [b.phi(POINTER), b.phi(word)]

    def jump(b: ir.Builder, at: ir.Value) -> None:
        head = b.load(at, word)
        kind = _wide(b, b.lshr(head, ir.Constant(word, shift)))
        place = b.gep(jumps, kind, POINTER)
        b.branch_indirect(b.load(place, POINTER), every)
        for block in blocks:
            arrivals[block][0].add_incoming(at, b.block)
            arrivals[block][1].add_incoming(head, b.block)

    jump(ir.Builder(entry), words)
    for block, (tree, dtypes) in zip(blocks, kinds, strict=True):
        b = ir.Builder(block)
        b.position_at_end(block)
        at, head = arrivals[block]
        own = b.and_(head, ir.Constant(word, 2**shift - 1))
        size = bits // 8
        others = [b.load(b.gep(at, index(k * size), I8), word) for k in (1, 2)]
        places = [_slot(b, registers, x) for x in (*others, own)]
        if tree[0] in ("load", "store"):
            start = b.load(b.gep(table, _wide(b, others[0]), POINTER), POINTER)
            there = b.gep(start, _wide(b, others[1]), I8)
            one, two = (there, places[2]) if tree[0] == "load" else (places[2], there)
            b.store(b.load(one, TYPES[tree[1]]), two)
        else:
            given = [read(b, x, dtype, None) for x, dtype in zip(places, dtypes, strict=False)]
            write(b, _computed(b, tree, given, dtypes), places[2], tree[1])
        jump(b, b.gep(at, index(3 * size), I8))
    return module


def _wide(b: ir.Builder, x: ir.Value) -> ir.Value:
    return b.zext(x, I64) if x.type == I32 else x


def _slot(b: ir.Builder, registers: ir.Value, x: ir.Value) -> ir.Value:
    return b.gep(registers, _wide(b, x), I64)


def _computed(
    b: ir.Builder, tree: Tree, given: list[ir.Value], dtypes: tuple[str, ...]
) -> ir.Value:
    name, dtype, parts = tree
    values = [
        (_computed(b, p, given, dtypes), p[1]) if isinstance(p, tuple) else (given[p], dtypes[p])
        for p in parts
    ]
    args = tuple(Op("operand", (), {}, (), np.dtype(kind), None) for _, kind in values)
    step = Op(name, args, {}, (), np.dtype(dtype), None)
    return compute(b, step, lambda k: values[k], None)


__all__ = ["runner"]
