"""The list that one recipient is mailed: available, nothing twice, mailed and ignored items last, long enough."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.digest_section import Digest
from contracts.errors import InputInvalid, SnapshotCorrupt
from export.digest.lines import Kind, Place
from export.digest.sorting import Row
from export.format.items import Item
from export.format.manifest import EVERYONE
from export.format.records import MAX_LENGTH
from export.stores.base import Reader, Rows, UserLists

NOT_CLICKED: Final = "no"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user may be mailed.

    Attributes:
        kind: None where the list is too short even so.
        repeats_before: places that would repeat an ignored item, had the mailed items not sunk.
        repeats: places that repeat one as it is.
    """

    kind: Kind | None
    places: Sequence[Place]
    repeats_before: int = 0
    repeats: int = 0


class Chooser:
    """Chooses from one snapshot for one placement.

    Attributes:
        unavailable_slots: places among the best `k` of users' own lists that went because the item cannot be had.
        later_sends: sends on the day of the mail or later, left out of account.
    """

    def __init__(
        self,
        snapshot: Reader,
        placement: str,
        rules: Digest,
        *,
        send_on: dt.date,
        unavailable: Collection[str] = frozenset(),
    ) -> None:
        """Chooses by `rules`, as for a mail of the day `send_on`, without the items in `unavailable`.

        Raises:
            InputInvalid: the snapshot has no such placement.
        """
        if placement not in snapshot.placements:
            raise InputInvalid(
                f"There is no placement {placement!r}",
                where=snapshot.where,
                todo=f"Use one of {list(snapshot.placements)}, or add it to the settings and run a night.",
            )
        self._snapshot, self._placement, self._rules = snapshot, placement, rules
        self._unavailable = unavailable
        self._from = (send_on - dt.timedelta(days=rules.memory_days)).isoformat()
        self._to = send_on.isoformat()
        self._fallbacks: dict[str | None, list[tuple[Kind, list[Place]]]] = {}
        self._by_id: dict[str, Item] = {}
        self.unavailable_slots = 0
        self.later_sends = 0

    def choose(self, user_id: str) -> Choice:
        """The user's list, at most `k` places, without any memory of sends.

        Raises:
            SnapshotCorrupt: the record or an item is damaged.
        """
        return self.choose_from(self._snapshot.find(user_id))

    def choose_from(self, known: UserLists | None, sends: Iterable[Row] = ()) -> Choice:
        """The list of a user, at most `k` places.

        Args:
            known: what the snapshot holds for the user; None for one it does not know, who is given the popular list.
            sends: rows (user_id, item_id, ISO date, clicked) of the user.

        Raises:
            SnapshotCorrupt: an item is damaged.
        """
        ignored = self._ignored(sends)
        segment = known.segment if known is not None else None
        own = self._own(known, ignored) if known is not None else None
        choice = self._assembled(own, segment, ignored)
        if not ignored:
            return choice
        before = self._assembled(own, segment, {})
        return Choice(choice.kind, choice.places, _repeats(before.places, ignored), _repeats(choice.places, ignored))

    def item(self, place: Place) -> Item:
        """What the catalogue of that night says of the item.

        Raises:
            SnapshotCorrupt: its entry is damaged.
        """
        if place.index >= 0:
            return self._snapshot.item(place.index)
        if not self._by_id:
            self._by_id = {item.item_id: item for item in self._snapshot.items()}
        return self._by_id[place.item_id]

    def _own(self, known: UserLists, ignored: Mapping[str, int]) -> list[Place] | None:
        """What of the user's own list can be had; no more than `k` places where all of the best `k` can be mailed."""
        k = self._rules.k
        rows = known.rows(self._placement, k)
        if rows is None:
            return None
        self.unavailable_slots += sum(item in self._unavailable for item in rows.items)
        places = self._places(rows)
        if len(rows.items) < k or (len(places) == k and not _repeats(places, ignored)):
            return places
        return self._places(known.rows(self._placement, MAX_LENGTH) or rows)

    def _fallbacks_of(self, segment: str | None) -> list[tuple[Kind, list[Place]]]:
        """What stands in for a list of the segment's users: its own, then the popular one."""
        found = self._fallbacks.get(segment)
        if found is None:
            made: dict[Kind, list[Place]] = {}
            for wanted in (segment, None):
                owner, rows = self._snapshot.fallback(self._placement, wanted, MAX_LENGTH)
                made.setdefault("popular" if owner == EVERYONE else "segment", self._places(rows))
            found = self._fallbacks[segment] = list(made.items())
        return found

    def _assembled(self, own: list[Place] | None, segment: str | None, ignored: Mapping[str, int]) -> Choice:
        k, wanted = self._rules.k, self._rules.min_items
        places = _sunk(own, ignored)[:k] if own is not None else []
        if own is not None and (len(places) >= wanted or self._rules.short_lists == "drop"):
            return Choice("personal" if len(places) >= wanted else None, places)
        fallbacks = [(kind, _sunk(made, ignored)) for kind, made in self._fallbacks_of(segment)]
        if own is None or self._rules.short_lists == "replace":
            for kind, made in fallbacks:
                if len(made) >= wanted:
                    return Choice(kind, made[:k])
        if self._rules.short_lists == "fill":
            taken = {place.item_id for place in places}
            for place in (place for _, made in fallbacks for place in made):
                if len(places) < wanted and place.item_id not in taken:
                    taken.add(place.item_id)
                    places.append(place)
            if len(places) >= wanted:
                return Choice("filled", places)
        return Choice(None, places)

    def _places(self, rows: Rows) -> list[Place]:
        """What of a list can be had, each item once."""
        if rows.n_damaged:
            raise SnapshotCorrupt(
                f"{rows.n_damaged} items of a list are damaged",
                where=self._snapshot.where,
                todo="Send nothing from this snapshot: roll back, or publish the night again.",
            )
        parts = (rows.items, rows.titles, rows.scores, rows.sources, rows.reasons, rows.indices)
        made: dict[str, Place] = {}
        for row in zip(*parts, strict=True):
            if row[0] not in made and row[0] not in self._unavailable:
                made[row[0]] = Place(*row)
        return list(made.values())

    def _ignored(self, sends: Iterable[Row]) -> Mapping[str, int]:
        """How often each item was mailed in the days remembered, where it was never clicked in them."""
        times, clicked = Counter[str](), set()
        for _, item, sent_on, click in sends:
            if sent_on >= self._to:
                self.later_sends += 1
            elif sent_on >= self._from:
                times[item] += 1
                if click != NOT_CLICKED:
                    clicked.add(item)
        return {item: n for item, n in times.items() if item not in clicked}


def _sunk(places: Sequence[Place], ignored: Mapping[str, int]) -> list[Place]:
    """The places in their order, those mailed and ignored behind the others, those mailed most often last."""
    return sorted(places, key=lambda place: ignored.get(place.item_id, 0)) if ignored else list(places)


def _repeats(places: Sequence[Place], ignored: Mapping[str, int]) -> int:
    return sum(place.item_id in ignored for place in places)
