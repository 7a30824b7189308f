"""The text of LLVM's language: LLVM reads it as it is meant."""

import ctypes
import math
import struct
from collections.abc import Callable
from itertools import count
from typing import Any

import llvmlite.binding as llvm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.engine.native import ir, machine
from chainrule.engine.native.ir import DOUBLE, FLOAT, I1, I32, I64, POINTER, VOID
from chainrule.engine.native.target import host

_numbers = count()


def run(write: Callable[[ir.Builder, Any], None], *arguments: int, name: str = "f") -> None:
    """Call a function whose body is written with the addresses that it is given."""

    def make() -> list[ir.Module]:
        module = ir.Module("test", host().triple)
        kind = ir.FunctionType(VOID, [POINTER] * len(arguments))
        function = ir.Function(module, kind, name)
        b = ir.Builder(function.append_basic_block())
        write(b, function.args)
        b.ret_void()
        return [module]

    code = machine.build(make, f"test of the language {next(_numbers)}", [name])
    code.function(name, *[ctypes.c_void_p] * len(arguments))(*arguments)


@settings(deadline=None)
@given(st.floats(width=64), st.floats(width=32))
def test_constants_keep_their_bits(x: float, y: float) -> None:
    wide, narrow = (ctypes.c_char * 8)(), (ctypes.c_char * 4)()

    def write(b: ir.Builder, args: Any) -> None:
        b.store(ir.Constant(DOUBLE, x), args[0])
        b.store(ir.Constant(FLOAT, y), args[1])

    run(write, ctypes.addressof(wide), ctypes.addressof(narrow))
    if math.isnan(x):
        assert math.isnan(struct.unpack("<d", wide.raw)[0])
    else:
        assert wide.raw == struct.pack("<d", x)
    if not math.isnan(y):
        assert narrow.raw == struct.pack("<f", y)


def test_a_double_as_a_float_is_rounded_to_nearest() -> None:
    found = ctypes.c_float()
    run(lambda b, args: b.store(ir.Constant(FLOAT, 0.1), args[0]), ctypes.addressof(found))
    assert found.value == struct.unpack("<f", struct.pack("<f", 0.1))[0]


def test_vectors_of_constants() -> None:
    found = (ctypes.c_int64 * 8)()

    def write(b: ir.Builder, args: Any) -> None:
        four = ir.VectorType(I64, 4)
        listed = ir.Constant(four, [ir.Constant(I64, k) for k in (3, -1, 4, 2**62)])
        b.store(listed, args[0])
        rest = b.gep(args[0], ir.Constant(I64, 4), I64)
        b.store(ir.Constant(four, -7), rest)

    run(write, ctypes.addressof(found))
    assert list(found) == [3, -1, 4, 2**62, -7, -7, -7, -7]


@pytest.mark.parametrize(
    "name", ["f", "a b", 'say "x"', "back\\slash", "Größe", "params['w'][0]", ".1"]
)
def test_names_may_be_any_text(name: str) -> None:
    """Of values and blocks; two of the same name are two."""
    found = ctypes.c_int64(20)

    def write(b: ir.Builder, args: Any) -> None:
        x = b.load(args[0], I64, name=name)
        y = b.load(args[0], I64, name=name)
        following = b.append_basic_block(name)
        b.branch(following)
        b.position_at_end(following)
        b.store(b.add(b.mul(x, y), ir.Constant(I64, 1)), args[0])

    run(write, ctypes.addressof(found))
    assert found.value == 401


def test_what_is_known_is_not_written() -> None:
    module = ir.Module("test", host().triple)
    function = ir.Function(module, ir.FunctionType(VOID, [I64]), "f")
    block = function.append_basic_block()
    b, (x,) = ir.Builder(block), function.args

    def number(k: int) -> ir.Value:
        return ir.Constant(I64, k)

    assert b.add(x, number(0)) is x
    assert b.mul(number(1), x) is x
    assert b.add(number(2), b.mul(number(3), number(4))).text == "14"
    assert b.sub(number(2), number(5)).text == "-3"
    assert b.mul(x, number(0)).text == "0"
    assert not block.lines
    assert b.add(x, number(5)) is b.add(x, number(5))
    assert len(block.lines) == 1


def test_memory_is_read_again_after_a_write() -> None:
    found = ctypes.c_int64(1)

    def write(b: ir.Builder, args: Any) -> None:
        for _ in range(3):
            x = b.load(args[0], I64)
            b.store(b.add(x, x), args[0])

    run(write, ctypes.addressof(found))
    assert found.value == 8


def test_conditions_loops_and_vectors() -> None:
    """Σ k for the k < 10 that are odd, in a loop; then the lanes turned around."""
    found = (ctypes.c_int32 * 5)()

    def write(b: ir.Builder, args: Any) -> None:
        start, loop, after = b.block, b.append_basic_block("loop"), b.append_basic_block("after")
        b.branch(loop)
        b.position_at_end(loop)
        k = b.phi(I32)
        odd = b.icmp_signed("==", b.and_(k, ir.Constant(I32, 1)), ir.Constant(I32, 1))
        with b.if_then(odd, likely=False):
            b.store(b.add(b.load(args[0], I32), k), args[0])
        following = b.add(k, ir.Constant(I32, 1))
        k.add_incoming(ir.Constant(I32, 0), start)
        k.add_incoming(following, b.block)
        b.cbranch(b.icmp_unsigned("<", following, ir.Constant(I32, 10)), loop, after)
        b.position_at_end(after)
        four = ir.VectorType(I32, 4)
        x: ir.Value = ir.Constant(four, ir.Undefined)
        for lane in range(4):
            x = b.insert_element(x, ir.Constant(I32, 10 * lane), ir.Constant(I32, lane))
        mask = ir.Constant(four, [ir.Constant(I32, lane) for lane in (3, 2, 1, 0)])
        turned = b.shuffle_vector(x, x, mask)
        chosen = ir.Constant(ir.VectorType(I1, 4), [ir.Constant(I1, bit) for bit in (1, 0, 1, 0)])
        place = b.gep(args[0], ir.Constant(I64, 1), I32)
        b.store(b.select(chosen, turned, b.neg(turned)), place)

    run(write, ctypes.addressof(found))
    assert list(found) == [25, 30, -20, 10, 0]


def test_the_text_is_what_llvm_itself_would_keep() -> None:
    module = ir.Module("test", host().triple)
    function = ir.Function(module, ir.FunctionType(DOUBLE, [DOUBLE]), "f")
    b = ir.Builder(function.append_basic_block())
    b.comment("a line\nand another")
    b.ret(b.fadd(function.args[0], ir.Constant(DOUBLE, 0.5)))
    parsed = llvm.parse_assembly(str(module), llvm.create_context())
    parsed.verify()
    assert "fadd double %.a0, 5.000000e-01" in str(parsed)
