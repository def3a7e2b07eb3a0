"""Why an item entered or left a list between two nights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from models.measures import OURS

Name = Callable[[int], str]
Kind = Literal["first", "entered", "left", "stayed", "out"]
_FEW = 3


@dataclass(frozen=True, slots=True)
class View:
    """What one night knew of one user and placement.

    Attributes:
        listed: items of the list, best first.
        length: places the list was to have.
        ranks: ranker's rank of each candidate that the placement may show, from 1.
        proposals: of each candidate, the rank by each source that proposed it, best first.
        bought: items bought before.
        banned: items that must not be recommended.
        is_new_only: whether the placement leaves out what was bought.
        capped: candidates whose category had its share of the list's places without them.
        explored: items of the list that were drawn into slots that explore.
        displaced: items whose slots were given to these.
        system: whose lists were published: `two_stage`, or a source, which is then the only one in `proposals`, and
            whose ranks are in `ranks`.
    """

    listed: tuple[int, ...]
    length: int
    ranks: Mapping[int, int]
    proposals: Mapping[int, tuple[tuple[str, int], ...]]
    bought: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()
    is_new_only: bool = False
    capped: frozenset[int] = frozenset()
    explored: frozenset[int] = frozenset()
    displaced: frozenset[int] = frozenset()
    system: str = OURS

    @property
    def whose(self) -> str:
        """The system as a person reads it."""
        return "the two-stage lists" if self.system == OURS else f"the lists of source {self.system}"

    def place(self, item: int) -> int | None:
        """Place in the list, from 1."""
        return self.listed.index(item) + 1 if item in self.listed else None

    def ahead(self, item: int) -> set[int]:
        """Candidates ranked before an item."""
        return {other for other, rank in self.ranks.items() if rank < self.ranks[item]}


class Moved(NamedTuple):
    """What became of an item, and whether its score had a part in it."""

    kind: Kind
    why: str
    is_by_score: bool = False


def moved(item: int, then: View | None, now: View, name: Name) -> Moved:
    """What became of an item between two views of the same user and placement.

    Args:
        item: any item.
        then: None where there was no list to compare with.
        now: the night that is explained.
        name: an item as a person reads it.
    """
    if then is None:
        why = "There is no earlier list of this user to compare with."
        return Moved("first", why) if item in now.listed else _out(item, now)
    if then.system != now.system and (item in now.listed) != (item in then.listed):
        return _other_system(item, then, now)
    if item in now.listed:
        made = _stayed(item, then, now) if item in then.listed else _entered(item, then, now, name)
    else:
        made = _left(item, then, now, name) if item in then.listed else _out(item, now)
    return made._replace(is_by_score=made.is_by_score and then.system == now.system == OURS)


def _other_system(item: int, then: View, now: View) -> Moved:
    """What became of an item whose list another system makes now."""
    kind: Kind = "entered" if item in now.listed else "left"
    if kind == "left" and (why := _must_not_show(item, now)):
        return Moved("left", why)
    ranks = [f"rank {view.ranks[item]}" if item in view.ranks else "no candidate" for view in (then, now)]
    return Moved(kind, f"Published are {now.whose} ({ranks[1]}); before it were {then.whose} ({ranks[0]}).")


def _stayed(item: int, then: View, now: View) -> Moved:
    before, place = then.place(item), now.place(item)
    if before == place:
        return Moved("stayed", f"It stayed at place {place}.")
    return Moved("stayed", f"It moved from place {before} to {place}.", is_by_score=True)


def _entered(item: int, then: View, now: View, name: Name) -> Moved:
    if item in now.explored:
        return Moved("entered", "It was drawn into a slot that explores.")
    if item not in now.ranks:
        return Moved("entered", "It fills the list up: a popular item where too few candidates were left.")
    if item in then.banned and item not in now.banned:
        return Moved("entered", "It may be recommended since; before it was not allowed.")
    if item not in then.ranks:
        since = "It was bought since and is" if item in now.bought - then.bought else "It is newly"
        return Moved("entered", f"{since} proposed by {_told(now, item)}.")
    return _rose(item, then, now, name)


def _rose(item: int, then: View, now: View, name: Name) -> Moved:
    before, rank = then.ranks[item], now.ranks[item]
    if item in then.displaced:
        return Moved("entered", f"It was ranked {before} before too, and its slot explored another item.")
    if before <= then.length:
        return Moved("entered", f"It was ranked {before} before too, and kept out by a stage after the ranker.")
    gone = sorted(then.ahead(item) - set(now.ranks), key=then.ranks.__getitem__)
    if rank < before and len(gone) >= before - then.length:
        names = ", ".join(name(other) for other in gone[:_FEW])
        more = f" and {len(gone) - _FEW} more" if len(gone) > _FEW else ""
        ahead = f"{len(gone)} items ahead of it are" if len(gone) > 1 else "An item ahead of it is"
        return Moved("entered", f"{ahead} gone ({names}{more}): rank {before} became {rank}.")
    if rank < before:
        past = len(then.ahead(item) - now.ahead(item) - set(gone))
        others = f"{past} others" if past > 1 else "another"
        return Moved("entered", f"Its score rose past {others}: rank {before} became {rank}.", is_by_score=True)
    return Moved("entered", f"It was ranked {before} and is {rank}; a stage after the ranker put it into the list.")


def _left(item: int, then: View, now: View, name: Name) -> Moved:
    if why := _must_not_show(item, now):
        return Moved("left", why)
    if item in now.displaced:
        return Moved("left", "Its slot explores another item.")
    if item in then.explored:
        return Moved("left", "It had been drawn into a slot that explores, and was not again.")
    if item in now.ranks:
        return _fell(item, then, now, name)
    if item not in then.ranks:
        return Moved("left", "It had filled the list up; there are enough candidates now.")
    nobody = "No source proposes it" if now.system == OURS else f"Source {now.system} does not propose it"
    return Moved("left", f"{nobody} any more; before {_told(then, item)} did.")


def _fell(item: int, then: View, now: View, name: Name) -> Moved:
    rank, before = now.ranks[item], then.ranks.get(item)
    if item in now.capped:
        return Moved("left", f"It is ranked {rank}, and its category has its share of the places without it.")
    if rank <= now.length:
        return Moved("left", f"It is ranked {rank}, and a stage after the ranker moved it out.")
    was = f"rank {before} became {rank}" if before is not None else f"it is ranked {rank}"
    new = sorted(now.ahead(item) - set(then.ranks), key=now.ranks.__getitem__)
    if before is not None and len(new) >= rank - before:
        names = ", ".join(name(other) for other in new[:_FEW])
        ahead = f"{len(new)} new candidates stand" if len(new) > 1 else "A new candidate stands"
        return Moved("left", f"{ahead} ahead of it ({names}): {was}.")
    return Moved("left", f"Its score fell behind others': {was}.", is_by_score=True)


def _out(item: int, now: View) -> Moved:
    why = _must_not_show(item, now)
    if why is None and item not in now.ranks:
        why = "No source proposed it." if now.system == OURS else f"Source {now.system} did not propose it."
    if why is not None:
        return Moved("out", why)
    rank = now.ranks[item]
    if item in now.displaced:
        return Moved("out", f"It is ranked {rank}, and its slot explores another item.")
    if item in now.capped:
        return Moved("out", f"It is ranked {rank}, and its category has its share of the places without it.")
    if rank <= now.length:
        return Moved("out", f"It is ranked {rank}, and a stage after the ranker moved it out.")
    return Moved("out", f"It is ranked {rank}; the list has {now.length} places.")


def _must_not_show(item: int, now: View) -> str | None:
    if now.is_new_only and item in now.bought:
        return "The user bought it, and this placement shows only what is new."
    if item in now.banned:
        return "It may not be recommended: not available, excluded, or with too few buyers."
    return None


def _told(view: View, item: int) -> str:
    return ", ".join(f"{source} (rank {rank})" for source, rank in view.proposals[item])
