"""The history of a store: one JSON line a move of the pointer, complete again after any crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from export.durable import sync_folder
from export.pointer import Event, read_pointer

HISTORY_NAME: Final = "history.jsonl"


def read_history(root: Path) -> list[Event]:
    """Every move of the pointer, oldest first; the latest from the pointer where a crash kept it from the file."""
    events = [msgspec.json.decode(line, type=Event) for line in _whole_lines(root / HISTORY_NAME).splitlines()]
    pointer = read_pointer(root)
    if pointer is not None and (not events or events[-1].sequence < pointer.last.sequence):
        events.append(pointer.last)
    return events


def write_history(root: Path) -> None:
    """The file holds every move, and nothing of a line that a crash cut short."""
    path = root / HISTORY_NAME
    whole = _whole_lines(path)
    data = b"".join(msgspec.json.encode(event) + b"\n" for event in read_history(root))
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(len(whole))
        file.seek(len(whole))
        file.write(data[len(whole) :])
        file.flush()
        os.fsync(file.fileno())
    sync_folder(root)


def _whole_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]
