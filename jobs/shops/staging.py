"""A landing folder replaced as a whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import InputInvalid
from contracts.layout import Layout

_MARK: Final = "import.json"


@contextmanager
def staged_landing(into: Path) -> Iterator[Layout]:
    """A layout to land files in; its landing folder takes the place of that of `into` when the block ends well.

    Raises:
        InputInvalid: `into` has landing files that did not come this way, which nobody should lose.
    """
    landing, staged = into / "landing", Layout(into / ".staged")
    _refuse_foreign_files(landing)
    shutil.rmtree(staged.root, ignore_errors=True)
    new = staged.root / "landing"
    try:
        new.mkdir(parents=True)
        yield staged
        (new / _MARK).write_bytes(msgspec.json.encode(_files_below(new)))
        if landing.exists():
            landing.rename(staged.root / "replaced")
        new.rename(landing)
    finally:
        shutil.rmtree(staged.root, ignore_errors=True)


def _refuse_foreign_files(landing: Path) -> None:
    mark = landing / _MARK
    known = set(msgspec.json.decode(mark.read_bytes(), type=list[str])) if mark.is_file() else set()
    foreign = [file for file in _files_below(landing) if file not in known]
    if foreign:
        raise InputInvalid(
            f"{len(foreign)} landing files were not written by an import, {foreign[0]} among them.",
            where=str(landing),
            todo="Import into another folder, or move these away: an import replaces the landing folder.",
        )


def _files_below(landing: Path) -> list[str]:
    return sorted(str(f.relative_to(landing)) for f in landing.rglob("*") if f.is_file() and f != landing / _MARK)
