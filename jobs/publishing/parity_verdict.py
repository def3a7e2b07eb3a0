"""What the parity check found of one snapshot: a file that whoever flips asks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

import msgspec

from contracts.errors import HeldByGate, PublishRefused
from contracts.layout import Layout
from export.durable import replace_json
from models.parity.comparing import Difference


class ParityVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, as `reports/parity-<date>.json`.

    Attributes:
        snapshot: whose lists were made again.
        verdict: `off` where the settings let no user be drawn; empty where the file was written before it told one.
        differences: the first of them.
        by_kind: how many there are of each kind.
    """

    snapshot: str
    verdict: Literal["green", "red", "off", ""] = ""
    users: int = 0
    users_differing: int = 0
    differences: list[Difference] = []
    by_kind: dict[str, int] = {}


def path_of(layout: Layout, as_of: dt.date) -> Path:
    """Where the verdict on a date's snapshot stands."""
    return layout.report(f"parity-{as_of.isoformat()}.json")


def write(layout: Layout, as_of: dt.date, verdict: ParityVerdict) -> Path:
    """The verdict in its file, whole or not at all; the path."""
    path = path_of(layout, as_of)
    replace_json(path, verdict)
    return path


def check(layout: Layout, as_of: dt.date, snapshot: str) -> None:
    """Passes where the parity check looked at this very snapshot and did not find too much.

    Raises:
        PublishRefused: it did not look at it, or what it found cannot be read.
        HeldByGate: it is red.
    """
    path, todo = path_of(layout, as_of), f"Run `larder parity --as-of {as_of}`, then try again."
    try:
        found = msgspec.json.decode(path.read_bytes(), type=ParityVerdict)
    except OSError as error:
        raise PublishRefused(
            f"The lists of {snapshot} were not made again yet: there is no verdict", where=str(path), todo=todo
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PublishRefused(
            f"The parity check's verdict cannot be read: {error}", where=str(path), todo=todo
        ) from error
    if found.snapshot != snapshot or not found.verdict:
        raise PublishRefused(f"The parity check has no verdict on {snapshot}", where=str(path), todo=todo)
    if found.verdict == "red":
        raise HeldByGate(
            f"The parity check is red: the lists of {found.users_differing} of {found.users} users in {snapshot} are "
            "not what they are when made again",
            where=str(path),
            todo="See `parity is red` in docs/runbook.md, then run `larder parity` again.",
        )
