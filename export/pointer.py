"""The pointer: which snapshot is current, what came before, and whether the next flip is held. One file, one swap."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from export.format.manifest import corrupt

POINTER_NAME: Final = "pointer.json"
SNAPSHOTS_NAME: Final = "snapshots"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One move of the pointer, as a line of the history.

    Attributes:
        sequence: number of the move, from 1.
        kind: what was done.
        at: ISO time, as given by the caller.
        reason: as given by the caller.
        snapshot: current after the move.
        replaced: current before it, empty if there was none.
    """

    sequence: int
    kind: Literal["flip", "rollback", "release"]
    at: str
    reason: str
    snapshot: str
    replaced: str = ""


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a store, swapped as a whole.

    Attributes:
        snapshot: the current snapshot.
        previous: snapshots that were current and not rolled back, latest first.
        held: why the next flip is held, empty if it is not.
        last: the move that made this state.
    """

    snapshot: str
    previous: tuple[str, ...] = ()
    held: str = ""
    last: Event


def read_pointer(root: Path) -> Pointer | None:
    """The pointer of the store at `root`, or None where nothing was flipped yet.

    Raises:
        SnapshotCorrupt: it cannot be read.
    """
    path = root / POINTER_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pointer)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise corrupt(f"The pointer cannot be read: {error}", path) from error
