"""What reaches the disk, and in which order: a file before its folder, a folder before the name that leads to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from export.stores.local import LocalStore
from tests.stores import nights


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed and renamed, below the store's root."""
    seen: list[str] = []
    root = tmp_path / "store"
    flush, rename, replace = os.fsync, os.rename, os.replace

    def name(path: Any) -> str:
        return os.path.relpath(path, root)

    def note_flush(descriptor: int) -> None:
        flush(descriptor)
        seen.append(f"flush {name(Path(f'/proc/self/fd/{descriptor}').readlink())}")

    def note_rename(old: Any, new: Any) -> None:
        rename(old, new)
        seen.append(f"rename to {name(new)}")

    def note_replace(old: Any, new: Any) -> None:
        replace(old, new)
        seen.append(f"rename to {name(new)}")

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(os, "rename", note_rename)
    monkeypatch.setattr(os, "replace", note_replace)
    return seen


def test_a_snapshot_is_flushed_before_it_gets_its_name_and_the_name_before_it_counts(
    tmp_path: Path, steps: list[str]
) -> None:
    """Every file, the folder with them, the rename, the folder of snapshots; the manifest is the last file."""
    store, night = LocalStore(tmp_path / "store"), nights.night(tmp_path, 1)
    steps.clear()
    nights.publish(store, night)
    incoming = f"snapshots/.incoming-{night.id}"
    files = [*sorted(night.manifest.files), "manifest.json"]
    assert steps == [
        *(f"flush {incoming}/{name}" for name in files),
        f"flush {incoming}", f"rename to snapshots/{night.id}", "flush snapshots",
    ]  # fmt: skip


def test_a_pointer_is_flushed_before_and_after_it_takes_its_place(tmp_path: Path, steps: list[str]) -> None:
    """The new file, the rename, the folder; then the line of the history, which a crash may cost."""
    store, night = LocalStore(tmp_path / "store"), nights.night(tmp_path, 1)
    nights.publish(store, night)
    steps.clear()
    nights.flip(store, night)
    assert steps == [
        "flush .pointer.json.incoming", "rename to pointer.json", "flush .", "flush history.jsonl", "flush .",
    ]  # fmt: skip
