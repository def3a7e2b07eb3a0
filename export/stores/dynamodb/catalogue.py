"""Which snapshots the table holds and how far each has come: one small item a snapshot.

pk `larder#snapshots`, sk `<snapshot>`: phase S, entry S (JSON)

A snapshot is `incoming` while it is written and `complete` from the last write on. Retention makes it `leaving`; its
lists stay while a later snapshot still points to them, and while they are deleted it is `deleting`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from contracts.errors import SnapshotCorrupt
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Key

CATALOGUE: Final = "larder#snapshots"
STOPPED: Final = -1
Phase = Literal["incoming", "complete", "leaving", "deleting"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot of the table.

    Attributes:
        manifest_bytes: size of the manifest in the chunks.
        filter_bytes: size of the filter of changed users; 0 where every user was written.
        generations: snapshots whose items hold the lists, latest first; the last one has every user.
        table: the table with its lists.
        as_of: ISO date.
        seen_at: ISO time at which retention first saw it incoming; empty until then.
        erasures: of the pointer, when the writing of the snapshot began; `STOPPED` once users were erased from it.
        import_arn: of the import that makes the table with its lists; empty where they are written one by one.
    """

    snapshot: str
    phase: Phase
    manifest_sha256: str
    manifest_bytes: int
    filter_bytes: int = 0
    generations: tuple[str, ...]
    table: str
    as_of: str
    seen_at: str = ""
    erasures: int = 0
    import_arn: str = ""


class Catalogue:
    """The entries of a table."""

    def __init__(self, table: Table, *, seconds: float) -> None:
        """The catalogue in `table`; each call ends within so many seconds."""
        self._all, self._seconds = table, seconds

    @property
    def _table(self) -> Table:
        return self._all.within(self._seconds)

    def entries(self) -> list[Entry]:
        """All of them, by id."""
        return [_decode(item["entry"]["S"]) for item in self._table.query(CATALOGUE, is_consistent=True)]

    def get(self, snapshot: str) -> Entry | None:
        """One of them, or None."""
        item = self._table.get(_key(snapshot), is_consistent=True)
        return None if item is None else _decode(item["entry"]["S"])

    def replace(self, old: Entry | None, new: Entry) -> bool:
        """Whether the entry was `old`, and so is `new` now; also where the reply was lost and it is `new` already."""
        text = _encode(new)
        item = {"pk": {"S": CATALOGUE}, "sk": {"S": new.snapshot}, "phase": {"S": new.phase}, "entry": {"S": text}}
        if old is None:
            is_done = self._table.put(item, condition="attribute_not_exists(pk)")
        else:
            seen = _encode(old)
            is_done = self._table.put(item, condition="entry = :seen", values={":seen": {"S": seen}})
        return is_done or self.get(new.snapshot) == new

    def delete(self, entry: Entry) -> bool:
        """Whether the entry, which was as given, is gone."""
        seen = _encode(entry)
        condition = "attribute_not_exists(pk) OR entry = :seen"
        return self._table.delete(_key(entry.snapshot), condition=condition, values={":seen": {"S": seen}})


def _key(snapshot: str) -> Key:
    return CATALOGUE, snapshot


def _encode(entry: Entry) -> str:
    fields = msgspec.to_builtins(entry)
    for name in ("erasures", "import_arn"):
        if not fields[name]:
            del fields[name]
    return msgspec.json.encode(fields).decode()


def _decode(text: str) -> Entry:
    try:
        return msgspec.json.decode(text, type=Entry)
    except msgspec.DecodeError as error:
        raise SnapshotCorrupt(
            f"An entry of the catalogue cannot be read: {error}", where=CATALOGUE, todo="Look who wrote it."
        ) from error
