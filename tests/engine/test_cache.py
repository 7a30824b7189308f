"""Object code on disk: shared by processes, made anew where it is damaged, bounded, and off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.native import cache

SCRIPT = """
import numpy as np
import chainrule as cr
slope = cr.compile(cr.value_and_grad(lambda x: (np.sin(x) * np.exp(-x)).sum()))
value, gradient = slope(np.linspace(0.0, 1.0, 50))
print(float(value), float(gradient.sum()))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    monkeypatch.setattr(cache, "TIDY", "")  # after each entry
    return tmp_path / "code"


def double(number: float = 2.0) -> Any:
    """A new compiled function, and whether its code came from the disk."""
    compiled = cr.compile(lambda x: number * x + 1.0)
    np.testing.assert_array_equal(compiled(np.arange(5.0)), number * np.arange(5.0) + 1.0)
    return next(iter(compiled.versions.values())).run.code.cached


def test_the_second_time_it_is_loaded(place: Path) -> None:
    assert not double()
    assert double()
    assert list(place.glob("*.o"))


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "other"])
def test_a_damaged_entry_is_made_anew(place: Path, damage: str) -> None:
    double()
    for path in place.glob("*.o"):
        data = path.read_bytes()
        other = b"\x7fELF that no linker takes" * 20
        path.write_bytes({
            "empty": b"",
            "cut": data[: len(data) // 2],
            "changed": data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
            "other": cache._head(path.stem, other) + other,
        }[damage])  # fmt: skip
    assert not double()
    assert double()


def test_an_entry_of_another_function_is_made_anew(place: Path) -> None:
    double()
    first = {path: path.read_bytes() for path in place.glob("*.o")}
    compiled = cr.compile(cr.value_and_grad(lambda x: (x**3).sum()))
    compiled(np.arange(5.0))
    others = [path for path in place.glob("*.o") if path not in first]
    for path in others:
        path.write_bytes(next(iter(first.values())))
    again = cr.compile(cr.value_and_grad(lambda x: (x**3).sum()))
    np.testing.assert_array_equal(again(np.arange(5.0))[1], 3 * np.arange(5.0) ** 2)


def test_processes_at_once(place: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {run.communicate()[0] for run in runs}
    assert all(run.returncode == 0 for run in runs)
    assert len(said) == 1
    assert not list(place.glob(".new-*"))


def test_the_folder_is_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 10_000)
    for k in range(8):
        double(float(k))
    assert sum(path.stat().st_size for path in place.glob("*.o")) <= 10_000
    assert list(place.glob("*.o"))


def test_what_was_used_longest_ago_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 3_600)
    for k, name in enumerate(("a", "b", "c")):
        cache.store(name, bytes(1000))
        os.utime(place / f"{name}.o", (k, k))
    assert cache.load("a") == bytes(1000)  # a is used again
    cache.store("d", bytes(1000))
    assert sorted(path.stem for path in place.glob("*.o")) == ["a", "c", "d"]


def test_what_a_killed_process_left_goes(place: Path) -> None:
    cache.store("a", b"1")
    old, now = place / ".new-old", place / ".new-now"
    for path in (old, now):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.store("b", b"2")
    assert not old.exists()
    assert now.exists()
    assert cache.load("a") == b"1"


def test_one_entry_in_sixteen_has_the_folder_tidied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "LIMIT", 5_000)
    tidied = []
    for name in map(cache.named, map(str, range(200))):
        cache.store(name, bytes(1000))
        if sum(path.stat().st_size for path in tmp_path.glob("*.o")) <= 5_000:
            tidied.append(name)
    assert 4 < len(tidied) < 32


def test_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    assert not double()
    assert not double()
    assert not place.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file" / "code"))
    assert not double()
    assert not double()


def test_the_name_depends_on_the_processor() -> None:
    from dataclasses import replace

    from chainrule.engine.native.target import host

    here = host()
    names = {
        cache.key("text", target)
        for target in (here, replace(here, cpu="other"), replace(here, features="-avx"))
    }
    assert len(names | {cache.key("other text", here)}) == 4


def test_other_source_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        engine = tmp_path / name / "engine" / "native"
        engine.mkdir(parents=True)
        for file in (engine / "cache.py", tmp_path / name / "rules.py"):
            file.write_text("x = 1")
            os.utime(file, (1, 1))

    def version(name: str) -> str:
        monkeypatch.setattr(cache, "__file__", str(tmp_path / name / "engine/native/cache.py"))
        return cache.version.__wrapped__()

    assert version("one") == version("two")  # wherever it is installed
    (tmp_path / "two" / "rules.py").write_text("x = 2")
    assert version("one") != version("two")
