"""What a comparison of two snapshots says. Shares are of 1; a share of nothing is None."""

from __future__ import annotations

import datetime as dt

import msgspec


class Shown(msgspec.Struct, frozen=True):
    """One place of a list: the item's id, and its title, None where the shop gave none."""

    item_id: str
    title: str | None


class ChangedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user whose list changed, with both lists, best first, cut at k."""

    user_id: str
    overlap: float
    before: tuple[Shown, ...]
    after: tuple[Shown, ...]


class ItemShift(msgspec.Struct, frozen=True, kw_only=True):
    """How much more or less an item shows.

    Attributes:
        title: of the later snapshot, else of the earlier one.
        n_before: lists looked at that have it in their top k.
        n_after: the same.
        reach_before: as a share of the snapshot's lists that were looked at.
        reach_after: the same.
    """

    item_id: str
    title: str | None
    n_before: int
    n_after: int
    reach_before: float
    reach_after: float


class CategoryShift(msgspec.Struct, frozen=True, kw_only=True):
    """Share of all places of the lists that have items of a category; None is items without one."""

    category: str | None
    before: float
    after: float


class PriceShift(msgspec.Struct, frozen=True, kw_only=True):
    """Mean price over the places whose item has one, each snapshot at its own prices.

    Attributes:
        change: relative to `before`.
    """

    before: float | None
    after: float | None
    change: float | None


class PlacementDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One placement. All but the fallback shares is of the users that were looked at.

    Attributes:
        n_both: users with an own list in both snapshots; the shares and overlaps below are of them.
        n_only_before: users with an own list in the earlier snapshot alone.
        n_only_after: in the later alone.
        top5_changed: share whose best five are other items.
        top5_reordered: share whose best five are the same items in another order.
        overlap_mean: of the users' overlaps. A user's overlap is the number of items that both top k have, over the
            length of the longer one.
        overlap_median: the smallest overlap that at least half of the users do not exceed.
        overlap_p10: the smallest overlap that at least a tenth of the users do not exceed.
        fallback_before: eligible users without an own list, as a share of all; from the manifest, so of all users.
        fallback_after: the same.
        items_moved: share of all places that went to other items, whoever's they are.
        categories_moved: share of all places that went to other categories.
        gaining: items by how much their reach grew, most first.
        losing: items by how much it shrank, most first.
        categories: by the size of the change, largest first.
        price: of the places.
        most_changed: least overlap first, then longer lists, then by id; without those whose top k has the same items.
    """

    n_both: int
    n_only_before: int
    n_only_after: int
    top5_changed: float | None
    top5_reordered: float | None
    overlap_mean: float | None
    overlap_median: float | None
    overlap_p10: float | None
    fallback_before: float | None
    fallback_after: float | None
    items_moved: float | None
    categories_moved: float | None
    gaining: tuple[ItemShift, ...]
    losing: tuple[ItemShift, ...]
    categories: tuple[CategoryShift, ...]
    price: PriceShift
    most_changed: tuple[ChangedUser, ...]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two snapshots.

    Attributes:
        n_users: users with a record, by the manifest.
        n_eligible_users: users that should be answered.
    """

    snapshot: str
    where: str
    as_of: dt.date
    n_users: int
    n_eligible_users: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What changes if `after` is served in place of `before`.

    Attributes:
        k: places of a list that are compared.
        sampled: share of the users that a hash of their id drew; 1 means all of them.
        n_looked_at: users looked at.
        n_users_both: of these, those with a record in both snapshots.
        n_users_only_before: with a record in the earlier snapshot alone.
        n_users_only_after: in the later alone.
        placements: those that both snapshots have, by name.
        placements_only_before: of the earlier snapshot alone.
        placements_only_after: of the later alone.
    """

    before: Side
    after: Side
    k: int
    sampled: float
    n_looked_at: int
    n_users_both: int
    n_users_only_before: int
    n_users_only_after: int
    placements: dict[str, PlacementDiff]
    placements_only_before: tuple[str, ...]
    placements_only_after: tuple[str, ...]
