"""The pointer of a store as one item, swapped on the condition that its version is still the one that was read.

    pk `larder#pointer`, sk `-`: version N, snapshot S (the current one, for other readers), state S (JSON)
    pk `larder#history`, sk number of the move: event S (JSON)

Partition keys of lists begin with a date, those of everything else with `larder#`.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

import msgspec

from export.stores import state
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Key
from export.stores.state import Event, Pointer

POINTER: Final[Key] = ("larder#pointer", "-")
HISTORY: Final = "larder#history"


class TableCell:
    """A `PointerCell` in a table; its token is the version."""

    def __init__(self, table: Table, *, seconds: float) -> None:
        """The cell in `table`; each step of a move ends within so many seconds."""
        self._table, self._seconds = table, seconds
        self.where = table.where

    def version(self) -> int:
        """The version, 0 before the first move."""
        return self._read()[0]

    def read(self) -> tuple[Pointer | None, int]:
        """The pointer and its version."""
        version, raw = self._read()
        return (state.decode(raw.encode(), self.where) if version else None), version

    def swap(self, pointer: Pointer, token: int) -> bool:
        """Whether the version still was `token`, and so was replaced."""
        item = {
            "pk": {"S": POINTER[0]}, "sk": {"S": POINTER[1]}, "version": {"N": str(token + 1)},
            "snapshot": {"S": pointer.snapshot}, "state": {"S": state.encode(pointer).decode()},
        }  # fmt: skip
        table = self._table.within(self._seconds)
        if token == 0:
            return table.put(item, condition="attribute_not_exists(pk)")
        return table.put(item, condition="version = :seen", values={":seen": {"N": str(token)}})

    def record(self, event: Event) -> None:
        """The event stands in the history, once."""
        key = {"pk": {"S": HISTORY}, "sk": {"S": f"{event.sequence:012d}"}}
        self._table.within(self._seconds).put({**key, "event": {"S": msgspec.json.encode(event).decode()}})

    def recorded(self, last: int | None = None) -> list[Event]:
        """The moves recorded, oldest first."""
        items = self._table.within(self._seconds).query(HISTORY, is_consistent=True, is_ascending=last is None)
        events = [msgspec.json.decode(item["event"]["S"], type=Event) for item in islice(items, last)]
        return events if last is None else events[::-1]

    def _read(self) -> tuple[int, str]:
        item = self._table.within(self._seconds).get(POINTER, is_consistent=True)
        return (0, "") if item is None else (int(item["version"]["N"]), item["state"]["S"])
