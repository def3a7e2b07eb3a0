"""A store that is not on this disk, for tests of what readers do when it fails."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import StoreUnreachable
from export.lookup import Lists, Options
from export.stores.base import Reader, UserLists
from export.stores.local import LocalStore
from export.stores.mapped import MappedReader
from export.stores.state import Pointer


@dataclass
class Remote:
    """A store that is not on this disk: counts its calls, and fails when told to.

    Attributes:
        fails: names of calls that raise, with the error.
        hangs: calls wait for it before they answer.
    """

    store: LocalStore
    calls: list[str] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    hangs: threading.Event | None = None

    @property
    def where(self) -> str:
        """The place."""
        return "far away"

    def did(self, name: str) -> None:
        """One call."""
        self.calls.append(name)
        if self.hangs is not None and not self.hangs.wait(30):
            raise AssertionError("nobody let the call go")
        if name in self.fails:
            raise self.fails[name]

    def pointer(self) -> Pointer | None:
        """The pointer."""
        self.did("pointer")
        return self.store.pointer()

    def mark(self) -> Hashable:
        """What changes when the pointer does."""
        self.did("mark")
        return self.store.mark()

    def open(self, snapshot: str) -> Reader:
        """The snapshot."""
        self.did("open")
        return RemoteReader(self, self.store.open(snapshot))


class RemoteReader:
    """A reader whose `find` is a call to its store."""

    def __init__(self, store: Remote, inside: MappedReader) -> None:
        self._store, self._inside = store, inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def find(self, user_id: str) -> UserLists | None:
        """What the snapshot holds for a user."""
        self._store.did("find")
        return self._inside.find(user_id)


def unreachable() -> StoreUnreachable:
    """What a store raises that does not answer."""
    return StoreUnreachable("no answer", where="far away", todo="wait")


def lists_of(remote: Remote, clock: list[float], **options: Any) -> Lists:
    """A reader of `remote` whose clock stands at `clock[0]`."""
    return Lists(remote, Options(**options), clock=lambda: clock[0])  # type: ignore[arg-type]  # it is read only
