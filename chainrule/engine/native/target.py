"""The processor that code is made for: its features and the width of its vectors."""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm

from chainrule.engine.native import ir
from chainrule.records import dataclass

FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
# As they lie in memory. Short whole numbers are read, and computed with as long ones.
SHORT = {
    "int8": I8, "int16": ir.IntType(16), "int32": I32,
    "uint8": I8, "uint16": ir.IntType(16), "uint32": I32,
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
    """

    triple: str
    cpu: str
    features: str
    bits: int

    def lanes(self, dtype: str) -> int:
        """How many numbers of a dtype fill one vector register."""
        return self.bits // (32 if dtype == "float32" else 64)

    def vector(self, dtype: str) -> ir.VectorType:
        """One full register of numbers."""
        return ir.VectorType(TYPES[dtype], self.lanes(dtype))

    def machine(self) -> llvm.TargetMachine:
        initialize()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=2, reloc="pic", codemodel="small", jit=True
        )


@cache
def initialize() -> None:
    """Prepare LLVM's code generator, once for each process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def host() -> Target:
    """The processor that this process runs on."""
    found = llvm.get_host_cpu_features()
    bits = 512 if found.get("avx512f") else 256 if found.get("avx2") else 128
    flags = found.flatten()
    if bits == 512:
        flags += ",-prefer-256-bit"
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), flags, bits)
