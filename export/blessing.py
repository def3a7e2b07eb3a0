"""The gates' signature under a snapshot: a file that names the manifest's SHA-256."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Literal

import msgspec

from contracts.errors import PublishRefused
from export.durable import replace_json
from export.format.manifest import Manifest


class Blessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The verdict of the gates on one night.

    Attributes:
        manifest_sha256: the manifest's own `sha256`.
        gates: what each gate found, for people.
    """

    as_of: dt.date
    manifest_sha256: str
    verdict: Literal["blessed", "held"]
    gates: list[dict[str, Any]] = []


def write_blessing(path: Path, blessing: Blessing) -> None:
    """The verdict in a file, whole or not at all."""
    replace_json(path, blessing)


def read_blessing(path: Path) -> Blessing:
    """The verdict in a file.

    Raises:
        PublishRefused: there is none, or it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Blessing)
    except OSError as error:
        raise _refused("The gates have not blessed this snapshot: there is no blessing", path) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(f"The blessing cannot be read: {error}", path) from error


def check_blessed(path: Path, manifest: Manifest) -> Blessing:
    """The blessing, which names this very manifest.

    Raises:
        PublishRefused: there is no blessing, it holds the night, or it names other bytes.
    """
    blessing = read_blessing(path)
    if blessing.verdict != "blessed":
        raise _refused("The gates hold this snapshot", path)
    if blessing.manifest_sha256 != manifest.sha256 or blessing.as_of != manifest.as_of:
        raise _refused(f"The blessing names other bytes than snapshot {manifest.snapshot_id}", path)
    return blessing


def _refused(what: str, path: Path) -> PublishRefused:
    return PublishRefused(what, where=str(path), todo="Run the gates on this snapshot; publish only what they bless.")
