"""Linking objects into an image and loading it, against what LLVM's own linker makes of them."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.engine.native import cache, elf, machine, objects, target
from chainrule.engine.native.elf import Refused
from chainrule.engine.native.image import Image, Loaded
from tests.engine import emulated

HERE = target.host()
pytestmark = pytest.mark.skipif(
    not (HERE.triple.startswith("x86_64") and "linux" in HERE.triple),
    reason="only ELF objects of x86-64 become images",
)

CALLER = """
declare i64 @callee(i64)
declare i64 @twice(i64)
declare ptr @memcpy(ptr, ptr, i64)
declare i32 @sched_yield()

@numbers = private constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]

define i64 @run(i64 %x) {
  %y = call i64 @callee(i64 %x)
  %z = call i64 @twice(i64 %y)
  ret i64 %z
}

define double @constant(i64 %k) {
  %p = getelementptr double, ptr @numbers, i64 %k
  %y = load double, ptr %p
  %z = fadd double %y, 0.125
  ret double %z
}

define i64 @copied(i64 %x) {
  %a = alloca i64
  %b = alloca i64
  %r = call i32 @sched_yield()
  store i64 %x, ptr %a
  %p = call ptr @memcpy(ptr %b, ptr %a, i64 8)
  %y = load i64, ptr %b
  ret i64 %y
}
"""
CALLEE = """
define i64 @callee(i64 %x) {
  switch i64 %x, label %other [ i64 0, label %a i64 1, label %b i64 2, label %c i64 3, label %d
                                i64 4, label %e i64 5, label %f ]
a:
  %va = call i64 @own(i64 %x)
  ret i64 %va
b:
  ret i64 11
c:
  %vc = mul i64 %x, 91
  ret i64 %vc
d:
  ret i64 -5
e:
  ret i64 123456789012345
f:
  %vf = xor i64 %x, 77
  ret i64 %vf
other:
  ret i64 %x
}

define internal i64 @own(i64 %x) noinline {
  %y = add i64 %x, 1000
  ret i64 %y
}
"""
TWICE = "define i64 @run(i64 %x) {\n %y = add i64 %x, %x\n ret i64 %y\n}"
EXPORTS = ("run", "constant", "copied")


def made(*texts: str) -> list[bytes]:
    return [objects.compiled(text, HERE.machine()) for text in texts]


def call(library: Any, symbol: str, x: int, result: Any = ctypes.c_int64) -> Any:
    return ctypes.CFUNCTYPE(result, ctypes.c_int64)(library[symbol])(x)


@pytest.fixture(scope="module")
def parts() -> list[bytes]:
    return made(CALLER, CALLEE)


@pytest.fixture(scope="module")
def twice() -> Loaded:
    return Loaded(elf.linked(made(TWICE), ["run"]), {})


def loaded(parts: Sequence[bytes], outside: Mapping[str, int]) -> Loaded:
    linked = elf.linked(parts, EXPORTS)
    return Loaded(Image.unpacked(linked.packed()), outside)


@pytest.mark.parametrize("order", [1, -1])
def test_it_computes_what_llvm_has_linked(parts: list[bytes], twice: Loaded, order: int) -> None:
    outside = {"twice": twice["run"]}
    own, other = loaded(parts[::order], outside), objects.linked(parts, EXPORTS, outside)
    for x in range(-1, 8):
        assert call(own, "run", x) == call(other, "run", x)
        assert call(own, "copied", x) == x
    for k, number in enumerate((1.5, 2.5, 3.5, 4.5)):
        assert call(own, "constant", k, ctypes.c_double) == number + 0.125


def test_what_lies_outside_has_cells(parts: list[bytes]) -> None:
    linked = elf.linked(parts, EXPORTS)
    assert set(linked.cells) == {"twice", "memcpy", "sched_yield"}
    assert set(linked.exports) == set(EXPORTS)
    with pytest.raises(LookupError, match="the process has no twice"):
        Loaded(linked, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@x = global i64 3\ndefine ptr @run() {\n ret ptr @x\n}", "not constant"),
        ("@x = internal global [9 x i64] zeroinitializer\ndefine ptr @run() {\n ret ptr @x\n}",
         "not constant"),
        ("@x = external global i64\ndefine ptr @run() {\n ret ptr @x\n}", "kinds"),
        ("declare void @f()\n@x = constant ptr @f\ndefine ptr @run() {\n ret ptr @x\n}",
         "not constant"),
        ("@x = thread_local global i64 3\ndefine ptr @run() {\n ret ptr @x\n}", "not constant"),
        ("define i64 @other() {\n ret i64 3\n}", "missing"),
    ],
)  # fmt: skip
def test_other_things_are_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        elf.linked(made(text), ["run"])


def test_objects_of_other_processors_are_refused() -> None:
    arm = objects.compiled(TWICE, emulated.machine_for(emulated.ARM))
    for data in (arm, b"", b"\x7fELF\x02\x01" + bytes(58), b"MZ" + bytes(300)):
        with pytest.raises(Refused):
            elf.linked([data], ["run"])


def test_objects_that_are_cut_are_refused(parts: list[bytes]) -> None:
    for size in range(0, len(parts[0]), 7):
        with pytest.raises(Refused):
            elf.linked([parts[0][:size], parts[1]], EXPORTS)


def test_an_object_without_symbols_is_refused(parts: list[bytes]) -> None:
    data = bytearray(parts[0])
    header = np.frombuffer(parts[0], elf._HEADER, 1)[0]
    for k in range(int(header["shnum"])):
        place = int(header["shoff"]) + k * elf._SECTION.itemsize + 4
        if data[place] == elf._SYMTAB:
            data[place] = 99
    with pytest.raises(Refused, match="something is missing"):
        elf.linked([bytes(data), parts[1]], EXPORTS)


def references(data: bytes) -> list[tuple[int, Any]]:
    """Where the references of the code stand in an object, and what they are."""
    sections = elf._Object(data, 0).sections
    [text] = [s for s in sections if s["type"] == elf._RELA and sections[s["info"]]["flags"] & 4]
    start, size = int(text["offset"]), elf._REFERENCE.itemsize
    table = np.frombuffer(data, elf._REFERENCE, int(text["size"]) // size, start)
    return [(start + size * k, entry) for k, entry in enumerate(table)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("addend", 2**31 + 99, "2 GB"),
        ("addend", -(2**31) - 9999, "2 GB"),
        ("offset", 2**20, "not in the image"),
        ("offset", 2**63 + 5, "not in the image"),
        ("kind", 1, "kinds"),
        ("kind", 9, "kinds"),
        ("symbol", 10**6, "missing"),
    ],
)
def test_references_that_cannot_be_are_refused(
    parts: list[bytes], field: str, value: int, said: str
) -> None:
    for place, entry in references(parts[0]):
        changed = np.array([entry], elf._REFERENCE)
        changed[field] = value
        data = parts[0][:place] + changed.tobytes() + parts[0][place + changed.nbytes :]
        with pytest.raises(Refused, match=said):
            elf.linked([data, parts[1]], EXPORTS)


def test_an_image_that_is_not_whole_is_refused(parts: list[bytes]) -> None:
    exports, cells, code = elf.linked(parts, EXPORTS).packed()
    torn = [], [code], [exports, cells], [exports, cells, b""], [exports, cells, code[:-9]]
    other = [b"run -8", cells, code], [b"run", cells, code], [b"\xff", cells, code]
    for pieces in (*torn, *other):
        with pytest.raises(ValueError):
            Image.unpacked(pieces)


def mappings(address: int) -> list[str]:
    """The rights of the memory around an address, if any is mapped."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        range_, rights = line.split()[:2]
        start, end = (int(x, 16) for x in range_.split("-"))
        if start <= address < end:
            found.append(rights)
    return found


def test_memory_is_never_written_to_and_run_and_is_given_back(parts: list[bytes]) -> None:
    code = loaded(parts, {"twice": 1})
    address = code["run"]
    assert mappings(address) == ["r-xp"]
    del code
    gc.collect()
    assert "r-xp" not in mappings(address)


def test_functions_keep_their_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    text: Any = "define void @run(ptr %x) {\n store i64 7, ptr %x\n ret void\n}"

    def function() -> Any:
        return machine.build(lambda: [text], "seven", ["run"]).function("run", ctypes.c_void_p)

    for cached in (False, True):
        run, x = function(), ctypes.c_int64()
        assert run.owner.cached == cached
        gc.collect()
        run(ctypes.addressof(x))
        assert x.value == 7


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_the_code_too(parts: list[bytes], twice: Loaded) -> None:
    code = loaded(parts, {"twice": twice["run"]})
    child = os.fork()
    if not child:
        os._exit(int(call(code, "run", 1)) if mappings(code["run"]) == ["r-xp"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 22


def test_what_is_refused_is_linked_by_llvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    text: Any = "@x = global i64 5\ndefine void @run(ptr %y) {\n %v = load i64, ptr @x\n" \
                " store i64 %v, ptr %y\n ret void\n}"  # fmt: skip
    for cached in (False, True):
        code, y = machine.build(lambda: [text], "five", ["run"]), ctypes.c_int64()
        assert code.cached == cached
        code.function("run", ctypes.c_void_p)(ctypes.addressof(y))
        assert y.value == 5
        assert not isinstance(code._library, Loaded)


SCRIPT = """
import sys
import numpy as np
import chainrule as cr
from chainrule import nn
x = np.random.default_rng(0).standard_normal((70, 5)).astype(np.float32)
model = cr.Model([nn.Dense(4, "relu"), nn.Dense(1)])
model.compile("adam", "mse", jit_compile=True)
history = model.fit(x, x.sum(axis=1), epochs=3, verbose=0)
print(history.history["loss"], "llvmlite.binding" in sys.modules)
"""


def test_code_on_the_disk_needs_no_llvm(tmp_path: Path) -> None:
    env = {**os.environ, "CHAINRULE_CACHE": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.stderr for run in said] == ["", ""]
    (first, loaded_first), (second, loaded_second) = (run.stdout.rsplit(maxsplit=1) for run in said)
    assert first == second
    assert (loaded_first, loaded_second) == ("True", "False")


class TestProcessor:
    """What LLVM says of the processor is kept until the machine starts anew."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
        return tmp_path

    def host(self) -> target.Target:
        return target.host.__wrapped__()

    def test_it_is_what_llvm_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.host() == target._asked()
        monkeypatch.setattr(llvm, "get_host_cpu_features", None)  # nobody asks again
        assert self.host() == HERE

    @pytest.mark.parametrize("what", [b"", b"x86_64\nzen\n", b"a\nb\nc\nwide", b"\xff"])
    def test_it_is_asked_for_anew_where_what_is_kept_is_no_processor(self, what: bytes) -> None:
        name = target._here()
        assert name is not None
        cache.store(name, what)
        assert self.host() == HERE
        assert cache.load(name) != what

    def test_it_has_another_name_where_the_processor_has_other_features(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = target._here()
        features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
        monkeypatch.setitem(features, "AVX2", not features["AVX2"])
        assert target._here() != name

    def test_it_is_asked_for_where_nothing_tells_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(target, "STARTED", str(tmp_path / "nothing"))
        assert target._here() is None
        assert self.host() == HERE
