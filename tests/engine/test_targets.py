"""Other processors: code for less than this one can do runs here, code for 64-bit Arm is made."""

from __future__ import annotations

import platform
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, spatial
from chainrule.engine.capture import capture
from chainrule.engine.native import assembling, groups, ir, objects, tape, threads, tiles
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.target import Target, host
from chainrule.engine.program import Program
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten
from tests.engine import emulated
from tests.engine.emulated import ARM

AVX2 = Target(host().triple, "x86-64-v3", "", 256)
SSE2 = Target(host().triple, "x86-64", "", 128)
X86 = replace(SSE2, triple="x86_64-unknown-linux-gnu")
MAC = Target("arm64-apple-darwin", "apple-m1", "+neon", 128)


def network(w: Any, v: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    labels = np.arange(37) % 5
    return cr.softmax_cross_entropy(cr.relu(hidden @ v), labels).mean() + np.sin(hidden).sum()


def image(k: Any, x: Any) -> Any:
    y = cr.relu(spatial.conv2d(x, k, padding="same"))
    return (spatial.max_pool(y, 2) ** 2).mean() + np.log1p(np.exp(y)).sum()


def long(x: Any) -> Any:
    y = x
    for k in range(400):
        y = np.sin(y) * 0.5 + x / (2.0 + k)
    return np.where(y > 0, y, x)


def random(seed: Any, x: Any) -> Any:
    rng = nn.generator((seed, 1))
    kept = rng.random(x.shape, np.float32) > 0.5
    return np.where(kept, x @ x.T, rng.normal(0.0, 0.1, x.shape)), rng.random(7).sum()


def _float(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def works() -> dict[str, tuple[Callable[..., Any], list[Any]]]:
    rng = np.random.default_rng(0)
    return {
        "random": (random, [3, rng.standard_normal((21, 21))]),
        "network": (
            cr.value_and_grad(network, argnums=(0, 1)),
            [_float(rng, 13, 21), _float(rng, 21, 5), _float(rng, 37, 13)],
        ),
        "double": (
            cr.value_and_grad(network, argnums=(0, 1)),
            [rng.standard_normal(s) for s in ((13, 21), (21, 5), (37, 13))],
        ),
        "image": (cr.value_and_grad(image), [_float(rng, 3, 3, 2, 4), _float(rng, 2, 8, 8, 2)]),
        "long": (cr.value_and_grad(long), [0.4]),
        "mixed": (
            lambda x, k: (np.exp(x[1:]) * (k > 2)[:-1], np.cumsum(x)[-1], x.astype(np.float32)),
            [rng.standard_normal(101), np.arange(101)],
        ),
    }  # fmt: skip


def program(name: str) -> tuple[Program, list[Any], Any]:
    f, args = works()[name]
    leaves, spec = flatten((tuple(args), {}))
    captured = capture(f, leaves, spec)
    return simplified(captured.graph), leaves, captured.graph


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="code for x86-64")
@pytest.mark.parametrize("target", [AVX2, SSE2], ids=["AVX2", "SSE2"])
@pytest.mark.parametrize("name", works())
def test_a_lesser_processor(name: str, target: Target) -> None:
    if target is AVX2 and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    made, leaves, graph = program(name)
    found = Compiled(made, target)(leaves)
    for x, y in zip(found, graph.run(leaves), strict=True):
        eps = np.finfo(y.dtype).eps if np.asarray(y).dtype.kind == "f" else 0
        scale = float(np.max(np.abs(y), initial=1.0))
        np.testing.assert_allclose(x, y, rtol=0, atol=200 * eps * scale)


@pytest.mark.parametrize("target", [ARM, MAC], ids=["Linux", "macOS"])
@pytest.mark.parametrize("name", ["network", "double", "image", "mixed", "random"])
def test_64_bit_arm(name: str, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = program(name)
    images = emulated.compiled(made, monkeypatch, target).code.images
    assert images
    for code in images:
        if target is ARM:
            assert code[:4] == b"\x7fELF"
            assert struct.unpack_from("<H", code, 18)[0] == 183  # EM_AARCH64
        else:
            assert struct.unpack_from("<II", code) == (0xFEEDFACF, 0x0100000C)  # Mach-O, ARM64


@pytest.mark.parametrize(
    ("target", "pause"),
    [(X86, b"\xf3\x90"), (ARM, b"\x3f\x20\x03\xd5"), (MAC, b"\x3f\x20\x03\xd5")],
    ids=["x86-64", "Arm on Linux", "Arm on macOS"],
)
def test_threads_that_wait_say_so_to_the_processor(target: Target, pause: bytes) -> None:
    """pause and yield, by their codes in the manufacturers' manuals."""
    module = ir.Module("test", target.triple)
    threads.barrier(module, target.triple)
    assert pause in objects.compiled(str(module), emulated.machine_for(target))


def test_products_use_the_registers_that_arm_has() -> None:
    """32 of them, whatever the system calls the processor."""
    assert 16 < tiles.registers(ARM) == tiles.registers(MAC) < 32


def test_the_loop_of_a_tape_for_arm() -> None:
    made, _, _ = program("long")
    grouping = groups.Grouping(made.copy())
    (group,) = (g for g in grouping.groups if g.kind == "tape")
    kinds = assembling.assembled(group, grouping.layout).kinds
    for bits in (32, 64):
        code = objects.compiled(str(tape._module(kinds, bits, ARM)), emulated.machine_for(ARM))
        assert struct.unpack_from("<H", code, 18)[0] == 183
