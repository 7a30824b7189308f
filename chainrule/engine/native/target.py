"""The processor that code is made for: its features and the width of its vectors."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from chainrule.engine.native import cache as disk
from chainrule.engine.native import ir
from chainrule.engine.native.ir import DOUBLE, FLOAT, I8, I16, I32, I64
from chainrule.records import dataclass

if TYPE_CHECKING:
    import llvmlite.binding as llvm

STARTED = "/proc/sys/kernel/random/boot_id"  # which changes when the machine starts
# As they lie in memory. Short whole numbers are read, and computed with as long ones.
SHORT = {
    "int8": I8, "int16": I16, "int32": I32,
    "uint8": I8, "uint16": I16, "uint32": I32,
}  # fmt: skip
TYPES = {"float32": FLOAT, "float64": DOUBLE, "bool": I8, "int64": I64, **SHORT}


@dataclass(frozen=True)
class Target:
    """A processor as LLVM knows it.

    Attributes:
        triple: architecture, vendor and system.
        cpu: the name of the processor.
        features: what it can do, "+avx2,-avx512f,…".
        bits: the width of its vector registers.
        effort: how hard LLVM tries to make good code, 1 or 0.
    """

    triple: str
    cpu: str
    features: str
    bits: int
    effort: int = 1

    def lanes(self, dtype: str) -> int:
        """How many numbers of a dtype fill one vector register."""
        return self.bits // (32 if dtype == "float32" else 64)

    def vector(self, dtype: str) -> ir.VectorType:
        """One full register of numbers."""
        return ir.VectorType(TYPES[dtype], self.lanes(dtype))

    def machine(self) -> llvm.TargetMachine:
        """LLVM's code generator for it, at its level "less".

        The next one looks once more for a better order of instructions in registers, which takes
        an eighth of its time and gains nothing.
        """
        import llvmlite.binding as llvm

        initialize()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=self.effort, reloc="pic",
            codemodel="small", jit=True,
        )  # fmt: skip


@cache
def initialize() -> None:
    """Prepare LLVM's code generator, once for each process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def host() -> Target:
    """The processor that this process runs on.

    LLVM knows it. What it says is kept on the disk until the machine starts anew, for LLVM takes
    long to load, and a process whose code is on the disk needs it for nothing else.
    """
    name = _here()
    kept = None if name is None else disk.load(name)
    if kept is not None:
        with suppress(ValueError):
            triple, cpu, features, bits = kept.decode().split("\n")
            return Target(triple, cpu, features, int(bits))
    found = _asked()
    if name is not None:
        lines = found.triple, found.cpu, found.features, str(found.bits)
        disk.store(name, "\n".join(lines).encode())
    return found


def _asked() -> Target:
    """The processor, from LLVM."""
    import llvmlite.binding as llvm

    found = llvm.get_host_cpu_features()
    bits = 512 if found.get("avx512f") else 256 if found.get("avx2") else 128
    flags = found.flatten()
    if bits == 512:
        flags += ",-prefer-256-bit"
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), flags, bits)


def _here() -> str | None:
    """What this processor is called on the disk; None where nothing tells it from others.

    It is this machine since it started, as far as NumPy, which asks the processor itself, sees the
    same features: under an emulator it does not.
    """
    try:
        with open(STARTED, encoding="utf-8") as file:
            started = file.read()
        features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return None
    seen = sorted(name for name, has in features.items() if has)
    return disk.named("processor", started, os.uname().machine, *seen)
