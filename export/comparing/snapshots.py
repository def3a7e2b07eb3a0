"""Two open snapshots compared, whatever stores they lie in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contracts.errors import InputInvalid
from export.comparing import shifts
from export.comparing.counting import TOP, PlacementCount, quantile
from export.comparing.result import Diff, PlacementDiff, Side
from export.comparing.users import Pair, pairs
from export.format.manifest import Manifest
from export.reading.channels import place
from export.stores.base import Reader, Rows, UserLists

EXACT_USERS: Final = 200_000
"""So many users are compared one and all; of more, so many are drawn."""
SALT: Final = "diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is compared, and how much of it is told.

    Attributes:
        k: places of a list that are compared, at least 1.
        exact_users: a snapshot with more users is compared by a sample of about so many, at least 1.
        n_items: items and categories told of.
        n_users: most changed users told of.
    """

    k: int = 10
    exact_users: int = EXACT_USERS
    n_items: int = 10
    n_users: int = 20

    def __post_init__(self) -> None:
        if min(self.k, self.exact_users) < 1 or min(self.n_items, self.n_users) < 0:
            raise InputInvalid(
                f"Nothing can be compared with {self}",
                where="the comparison of snapshots",
                todo="Give k and the number of users as 1 or more, what is told of as 0 or more.",
            )


def compare(before: Reader, after: Reader, extent: Extent = Extent()) -> Diff:
    """What changes if `after` is served in place of `before`.

    The same snapshots and extent give the same answer, wherever they lie: whether a user is drawn depends on the id
    alone. Memory holds both item dictionaries, a count an item and placement, and a batch of users.

    Raises:
        InputInvalid: they have no placement in common.
        SnapshotCorrupt: a record or an item of one of them is damaged.
        SnapshotMissing: one is in its store no more.
        StoreUnreachable: a store did not answer in time.
    """
    counts = {name: PlacementCount(k=extent.k, n_most=extent.n_users) for name in _shared(before, after)}
    catalogues = _catalogue(before), _catalogue(after)
    sampled = min(1.0, extent.exact_users / max(before.manifest.n_users, after.manifest.n_users, 1))
    known: Counter[tuple[bool, bool]] = Counter()
    for pair in pairs(before, after, _drawn(sampled)):
        known[pair.before is not None, pair.after is not None] += 1
        _count(pair, counts)
    return Diff(
        before=_side(before),
        after=_side(after),
        k=extent.k,
        sampled=sampled,
        n_looked_at=known.total(),
        n_users_both=known[True, True],
        n_users_only_before=known[True, False],
        n_users_only_after=known[False, True],
        placements={
            name: _told(count, (_fallback(before, name), _fallback(after, name)), catalogues, extent.n_items)
            for name, count in counts.items()
        },
        placements_only_before=tuple(sorted({*before.placements} - {*after.placements})),
        placements_only_after=tuple(sorted({*after.placements} - {*before.placements})),
    )


def _shared(before: Reader, after: Reader) -> list[str]:
    """Placements of both, by name."""
    if not (names := sorted({*before.placements} & {*after.placements})):
        raise InputInvalid(
            f"Snapshots {before.id} and {after.id} have no placement in common",
            where=after.where,
            todo=f"Compare with one that has any of {sorted(before.placements)}.",
        )
    return names


def _drawn(share: float) -> Callable[[str], bool]:
    return lambda user_id: place(user_id, SALT) < share


def _count(pair: Pair, counts: dict[str, PlacementCount]) -> None:
    for placement, count in counts.items():
        wanted = max(count.k, TOP)
        count.add(pair.user_id, _rows(pair.before, placement, wanted), _rows(pair.after, placement, wanted))


def _rows(user: UserLists | None, placement: str, k: int) -> Rows | None:
    return user.rows(placement, k) if user is not None else None


def _catalogue(snapshot: Reader) -> shifts.Catalogue:
    return {item.item_id: item for item in snapshot.items()}


def _side(snapshot: Reader) -> Side:
    manifest: Manifest = snapshot.manifest
    return Side(
        snapshot=snapshot.id,
        where=snapshot.where,
        as_of=manifest.as_of,
        n_users=manifest.n_users,
        n_eligible_users=manifest.n_eligible_users,
    )


def _fallback(snapshot: Reader, placement: str) -> float | None:
    """Share of the eligible users who have no own list."""
    n = snapshot.manifest.n_eligible_users
    return (n - snapshot.manifest.placements[placement].lists) / n if n else None


def _told(
    count: PlacementCount,
    fallbacks: tuple[float | None, float | None],
    catalogues: tuple[shifts.Catalogue, shifts.Catalogue],
    n_items: int,
) -> PlacementDiff:
    counts, n = (count.before, count.after), count.n_both
    gaining, losing = shifts.item_shifts(counts, (n + count.n_only_before, n + count.n_only_after), catalogues, n_items)
    categories = shifts.by_category(count.before, catalogues[0]), shifts.by_category(count.after, catalogues[1])
    total = sum(times * shared / places for (shared, places), times in sorted(count.overlaps.items()))
    return PlacementDiff(
        n_both=n,
        n_only_before=count.n_only_before,
        n_only_after=count.n_only_after,
        top5_changed=count.n_changed / n if n else None,
        top5_reordered=count.n_reordered / n if n else None,
        overlap_mean=total / n if n else None,
        overlap_median=quantile(count.overlaps, 50),
        overlap_p10=quantile(count.overlaps, 10),
        fallback_before=fallbacks[0],
        fallback_after=fallbacks[1],
        items_moved=shifts.moved(*counts),
        categories_moved=shifts.moved(*categories),
        gaining=gaining,
        losing=losing,
        categories=shifts.category_shifts(*categories, n_items),
        price=shifts.price_shift(counts, catalogues),
        most_changed=tuple(one for _, one in count.most),
    )
