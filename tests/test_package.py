"""The wheel: everything that an installed chainrule needs, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built with what is installed here and without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "chainrule", source / "chainrule", ignore=unwanted)
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def text(wheel: zipfile.ZipFile, ending: str) -> str:
    [name] = [name for name in wheel.namelist() if name.endswith(ending)]
    return wheel.read(name).decode("utf-8")


def test_every_module_and_data_file_is_inside(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "chainrule"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {name for name in wheel.namelist() if not name.startswith("chainrule-")}
    assert inside == files
    assert {
        "chainrule/py.typed", "chainrule/data/files/heart.csv", "chainrule/data/files/LICENSES.md",
    } <= inside  # fmt: skip


def test_the_licences_are_in_its_metadata(wheel: zipfile.ZipFile) -> None:
    assert "Apache License" in text(wheel, ".dist-info/licenses/LICENSE")
    assert "CC BY 4.0" in text(wheel, ".dist-info/licenses/chainrule/data/files/LICENSES.md")


def test_it_installs_the_command(wheel: zipfile.ZipFile) -> None:
    assert "chainrule = chainrule.cli:main" in text(wheel, "entry_points.txt")
    metadata = text(wheel, ".dist-info/METADATA")
    assert f"\nVersion: {cr.__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    for name in ("numpy", "scipy", "optree", "typer", "rich"):
        assert f"\nRequires-Dist: {name}>=" in metadata


def test_it_works_outside_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked as an installer would, the main job finds its data."""
    wheel.extractall(tmp_path / "site")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = ["-m", "chainrule", "train", "heart", "--epochs", "1", "--quiet"]
    ran = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=tmp_path, env=env
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / ran.stdout.strip() / "metrics.json").exists()


def test_all_public_names_complete_and_exist() -> None:
    """Those too whose modules load when they are first used."""
    assert set(cr.__all__) <= set(dir(cr))
    assert all(hasattr(cr, name) for name in cr.__all__)


def test_no_module_is_longer_than_500_lines() -> None:
    """A longer one has two jobs: it is to be cut where they meet."""
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "chainrule").rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > 500} == {}
