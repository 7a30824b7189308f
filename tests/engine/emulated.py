"""Code for 64-bit Arm, run on this machine: linked by the GNU cross compiler, run by qemu.

Each array of a run ends at a page that nobody may touch.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.engine.native import machine, objects
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.memory import ALIGNMENT
from chainrule.engine.native.target import Target
from chainrule.engine.program import Program

GCC, OBJCOPY, QEMU = "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objcopy", "qemu-aarch64"
ARM = Target("aarch64-unknown-linux-gnu", "cortex-a72", "+neon", 128)
MISSING = [tool for tool in (GCC, OBJCOPY, QEMU) if shutil.which(tool) is None]

MAIN = """
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 65536 };  // the largest that Arm has
typedef struct { uint64_t size, align; } Part;

void stretch_0(void **, int64_t, int64_t, void *);
__attribute__((weak)) void repeat(void **, int64_t, int64_t, int64_t, void *);

static void **table, *sync_[32];
static int64_t steps, threads;

static void *place(Part part) {
    size_t room = (part.size + PAGE - 1) / PAGE * PAGE;
    char *start = mmap(0, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + room, PAGE, PROT_NONE)) exit(2);
    return start + (room - part.size) / part.align * part.align;
}

static void *work(void *thread) {
    if (steps) repeat(table, steps, (int64_t)thread, threads, sync_);
    else stretch_0(table, (int64_t)thread, threads, sync_);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int64_t count = atoll(argv[1]);
    steps = atoll(argv[2]), threads = atoll(argv[3]);
    Part *parts = calloc(count, sizeof *parts);
    void **starts = calloc(count, sizeof *starts);
    table = calloc(count, sizeof *table);
    if (fread(parts, sizeof *parts, count, stdin) != (size_t)count) return 2;
    for (int64_t k = 0; k < count; k++) {
        table[k] = starts[k] = place(parts[k]);
        if (fread(starts[k], 1, parts[k].size, stdin) != parts[k].size) return 2;
    }
    pthread_t others[threads];
    for (int64_t k = 1; k < threads; k++) pthread_create(&others[k], 0, work, (void *)k);
    work(0);
    for (int64_t k = 1; k < threads; k++) pthread_join(others[k], 0);
    for (int64_t k = 0; k < count; k++) fwrite(starts[k], 1, parts[k].size, stdout);
    return 0;
}
"""


class Code:
    """Takes the place of :class:`machine.Code`: objects with what they import."""

    cached, seconds, size = False, 0.0, 0

    def __init__(self, images: list[bytes], imports: dict[str, Code]) -> None:
        self.images, self.imports = images, imports

    def function(self, symbol: str, *kinds: Any) -> None:
        return None


def machine_for(target: Target, module: object = None) -> llvm.TargetMachine:
    """LLVM's code generator for a processor of any kind, as it is for a module."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return objects.target_for(module, target).machine()


def compiled(
    program: Program, patch: pytest.MonkeyPatch, target: Target = ARM, **options: Any
) -> Compiled:
    """A program as code for another processor, not linked yet."""

    def build(make: Any, key: str, exports: Any, target: Any = None, imports: Any = ()) -> Code:
        images = [objects.compiled(str(module), machine_for(target, module)) for module in make()]
        return Code(images, dict(imports))

    patch.setattr(machine, "build", build)
    return Compiled(program, target, **options)


def linked(code: Any, folder: Path) -> Path:
    """The program that runs it."""
    (folder / "main.c").write_text(MAIN)
    objects = []
    for name, own in [("", code), *code.imports.items()]:
        for image in own.images:
            objects.append(folder / f"{len(objects)}.o")
            objects[-1].write_bytes(image)
            if name:  # the loop of a tape
                subprocess.run([OBJCOPY, f"--redefine-sym=run={name}", objects[-1]], check=True)
    made = folder / "program"
    sources = [folder / "main.c", *objects]
    subprocess.run([GCC, "-static", "-pthread", "-O1", "-o", made, *sources, "-lm"], check=True)
    return made


def run(
    made: Compiled, given: Sequence[Any], folder: Path, steps: int = 0, threads: int = 1
) -> Any:
    """The inputs after a run, and the outputs, None where one is a constant.

    Args:
        made: the code.
        given: arrays for the inputs; with steps, those that move have one more axis in front.
        folder: for the files.
        steps: so many by ``repeat``; 0 for the function itself.
        threads: that run it.
    """
    frame = made.storage.frame()
    arrays: list[Any] = [None] * frame.arena_slot
    for place, x in zip(frame.inputs, given, strict=True):
        arrays[place.slot] = np.array(x, place.dtype, order="C")
    for k, place in enumerate(frame.outputs):
        if hasattr(place, "slot") and arrays[place.slot] is None:
            moves = steps and k + len(frame.inputs) in made.moving
            shape = (steps, *place.shape) if moves else place.shape
            arrays[place.slot] = np.full(shape, 77, place.dtype)
    for slot, x in zip(frame.constant_slots, frame.constants, strict=True):
        arrays[slot] = np.ascontiguousarray(x)
    arrays.append(np.zeros(frame.arena_size, np.uint8))
    aligns = [*(x.itemsize for x in arrays[:-1]), ALIGNMENT]
    parts = [struct.pack("<QQ", x.nbytes, n) for x, n in zip(arrays, aligns, strict=True)]
    command = [QEMU, linked(made.code, folder), str(len(arrays)), str(steps), str(threads)]
    sent = b"".join([*parts, *(x.tobytes() for x in arrays)])
    left = subprocess.run(command, input=sent, stdout=subprocess.PIPE, check=True).stdout
    after = []
    for x in arrays:
        after.append(np.frombuffer(left[: x.nbytes], x.dtype).reshape(x.shape))
        left = left[x.nbytes :]
    assert not left
    outputs = [after[y.slot] if hasattr(y, "slot") else None for y in frame.outputs]
    return [after[place.slot] for place in frame.inputs], outputs
