"""The answers to one request's questions, all from one snapshot; of a remote one all its users are read at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from contracts.errors import InputInvalid, StoreUnreachable
from export.reading.answers import LOG, Channel, PlacementUnknown, TopN
from export.reading.breaker import Guard
from export.reading.choosing import Ask, Choosing
from export.reading.last_good import Kept
from export.reading.tally import Tally
from export.stores.base import Reader
from export.stores.prefetching import Prefetching

Question = tuple[str, Ask, str | None]
"""A user id, what is asked for, and the segment to use where the snapshot does not know the user."""


class Answering:
    """Makes the answers to several questions. Safe to share between threads."""

    def __init__(
        self, guard: Guard, kept: Kept | None, tally: Tally, *, is_local: bool, stale_after_hours: float
    ) -> None:
        """Answers from readers, asked through `guard` unless they are local, and from `kept` when they are away."""
        self._guard, self._tally = guard, tally
        self._one = Choosing(None if is_local else guard, kept, tally, stale_after_hours=stale_after_hours)
        self._read = Choosing(None, kept, tally, stale_after_hours=stale_after_hours)

    def answers(
        self, reader: Reader, channel: Channel, questions: Sequence[Question], *, is_closed: bool = False
    ) -> list[TopN]:
        """An answer to each question, in order.

        Args:
            reader: the snapshot.
            channel: what it is read as.
            questions: at least one.
            is_closed: no more can be read of the snapshot than what was when it was opened.

        Raises:
            InputInvalid: a `k` or a placement is wrong.
            SnapshotMissing: the snapshot is in the store no more.
        """
        placements = reader.placements
        for _, ask, _ in questions:
            if ask.k < 1 or ask.placement not in placements:
                check(reader, ask.k, ask.placement)
        may_mix, choosing = len(questions) == 1, self._one
        if not may_mix and not is_closed and isinstance(reader, Prefetching):
            ahead = self._read_ahead(reader, {user for user, _, _ in questions})
            choosing, reader, is_closed = self._read, ahead or reader, ahead is None
        return [
            choosing.answer(reader, channel, user, ask, hint, may_mix=may_mix, is_closed=is_closed)
            for user, ask, hint in questions
        ]

    def beside(self, canary: Reader, questions: Sequence[Question]) -> list[TopN]:
        """The canary's answers, to be interleaved; none where it has not every placement asked for."""
        if any(ask.placement not in canary.placements for _, ask, _ in questions):
            return []
        return self.answers(canary, "canary", questions)

    def without_store(self, questions: Sequence[Question]) -> list[TopN] | None:
        """Answers from what is kept here, None where there is none to one of the questions."""
        may_mix = len(questions) == 1
        found = [self._one.without_store(user, ask, hint, may_mix=may_mix) for user, ask, hint in questions]
        made = [one for one in found if one is not None]
        return made if len(made) == len(found) else None

    def _read_ahead(self, reader: Prefetching, users: Collection[str]) -> Reader | None:
        """The snapshot with these users read within the deadline of one lookup; None where nobody could be."""
        try:
            return self._guard.call(lambda: reader.prefetched(users, is_brief=True))
        except StoreUnreachable as error:
            self._tally.add("unreachable", len(users))
            LOG.error("%d users could not be read: %s; fallback lists are served", len(users), error.what)
            return None


def check(snapshot: Reader, k: int, placement: str) -> Reader:
    """The snapshot, which can answer for `k` and `placement`.

    Raises:
        InputInvalid: one of them is wrong.
    """
    if k < 1:
        raise InputInvalid(f"k is {k}", where="k", todo="Ask for at least 1 item.")
    if placement not in snapshot.placements:
        raise PlacementUnknown(
            f"There is no placement {placement!r}",
            where=snapshot.id,
            todo=f"Use one of {list(snapshot.placements)}.",
        )
    return snapshot
