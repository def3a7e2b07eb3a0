from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_sizes.py"


@pytest.fixture(scope="module")
def sizes() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("check_sizes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def function(lines: int) -> str:
    """A function of so many lines in all."""
    return "def f():\n" + "    x = 1\n" * (lines - 1)


def test_function_of_40_lines_is_too_long(sizes: ModuleType) -> None:
    """39 lines pass and 40 do not."""
    assert sizes.too_long("m.py", function(39)) == []
    assert sizes.too_long("m.py", function(40)) == ["m.py:1: f has 40 lines; the limit is under 40"]


def test_module_of_300_lines_is_too_long(sizes: ModuleType) -> None:
    """299 lines pass and 300 do not."""
    assert sizes.too_long("m.py", "x = 1\n" * 299) == []
    assert sizes.too_long("m.py", "x = 1\n" * 300) == ["m.py:1: module of 300 lines; the limit is under 300"]


def test_every_folder_is_looked_at(sizes: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A long function in a subfolder of any package is named with its path, and the exit code is 1."""
    folder = tmp_path / "models" / "sources"
    folder.mkdir(parents=True)
    (folder / "als.py").write_text(function(41), encoding="utf-8")
    assert sizes.main(tmp_path) == 1
    assert capsys.readouterr().out == "models/sources/als.py:1: f has 41 lines; the limit is under 40\n"
