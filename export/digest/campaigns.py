"""Campaigns and the snapshots that they are pinned to: no flip changes what they read, and retention keeps it.

    folder/<campaign>.json    one file a running campaign

The pin itself is part of the store's state; these files say whose it is, so that a campaign which ends leaves alone
what another one, or a person, has pinned too.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import InputInvalid, InputMissing, LarderError
from export.durable import replace_json, writing
from export.stores.base import Store

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Running(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A running campaign.

    Attributes:
        is_foreign: the snapshot was pinned by somebody else before, so that the pin stays when the campaign ends.
    """

    campaign: str
    snapshot: str
    is_foreign: bool
    since: str


class Campaigns:
    """The running campaigns of one store."""

    def __init__(self, folder: Path, store: Store) -> None:
        """Campaigns recorded in `folder`, which is made when first needed."""
        self._folder, self._store = folder, store

    def running(self) -> list[Running]:
        """All of them, by name."""
        paths = sorted(self._folder.glob("*.json")) if self._folder.exists() else []
        return [msgspec.json.decode(path.read_bytes(), type=Running) for path in paths]

    def find(self, name: str) -> Running | None:
        """The campaign of that name, None where it does not run.

        Raises:
            InputInvalid: it is no name of a campaign.
        """
        if not NAME.fullmatch(name):
            raise InputInvalid(
                f"{name!r} cannot be the name of a campaign",
                where="--campaign",
                todo="Use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
            )
        return next((one for one in self.running() if one.campaign == name), None)

    def begin(self, name: str, snapshot: str, *, by: str, at: str) -> Running:
        """The campaign, whose snapshot is pinned; one that runs already keeps the snapshot that it has.

        Raises:
            InputInvalid: it is no name of a campaign.
            SnapshotMissing: the store does not have the snapshot.
            PublishRefused: the snapshot is being deleted.
        """
        with self._locked():
            known = self.find(name)
            new = Running(campaign=name, snapshot=snapshot, is_foreign=self._is_foreign(snapshot), since=at)
            made = known or new
            if known is None:  # before the pin, so that a crash in between leaves nothing pinned that nobody owns
                replace_json(self._path(name), made)
            try:
                self._store.pin(made.snapshot, by=by, reason=f"campaign {name}", at=at)
            except LarderError:
                if known is None:
                    self._path(name).unlink()
                raise
            return made

    def end(self, name: str, *, by: str, at: str) -> Running:
        """The campaign that ran; its snapshot is pinned no more, unless somebody else needs it.

        Raises:
            InputInvalid: it is no name of a campaign.
            InputMissing: it does not run.
        """
        with self._locked():
            made = self.find(name)
            if made is None:
                raise InputMissing(
                    f"No campaign {name!r} runs",
                    where=str(self._folder),
                    todo=f"Name one of {[one.campaign for one in self.running()]}.",
                )
            others = [one for one in self.running() if one.snapshot == made.snapshot and one != made]
            if not others and not made.is_foreign:
                self._store.unpin(made.snapshot, by=by, reason=f"campaign {name} ended", at=at)
            self._path(name).unlink()
            return made

    def _is_foreign(self, snapshot: str) -> bool:
        beside = [one for one in self.running() if one.snapshot == snapshot]
        if beside:
            return beside[0].is_foreign
        pointer = self._store.pointer()
        return pointer is not None and snapshot in pointer.pinned

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / ".lock").open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
