"""Why a user's list is what it is. No Java process."""

from __future__ import annotations

import datetime as dt

import msgspec

from contracts import tables
from contracts.errors import InputInvalid, InputMissing, SnapshotMissing
from contracts.layout import Layout
from contracts.settings import Settings
from export.lookup import Lists, TopN
from export.stores.opening import store_of
from jobs import lake
from jobs.explaining.explainer import Explainer
from jobs.explaining.result import Explanation, Versions
from jobs.explaining.user_night import UserNight
from jobs.paths import layout_of
from models import artifact


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        user: the shop's user id.
        item: the shop's item id, in the list or not; None asks about the list.
        placement: where the list shows.
        as_of: of the lists; None takes those that are served, else the newest.
        before: of the lists they are compared with; None takes the newest older ones.
        k: items explained.
        n_features: contributions told of each.
    """

    user: str
    item: str | None = None
    placement: str = "home"
    as_of: dt.date | None = None
    before: dt.date | None = None
    k: int = 10
    n_features: int = 5


def run(settings: Settings, asked: Question) -> Explanation:
    """The first items of a user's list, or the one named, with all that brought them there.

    Raises:
        InputMissing: the user, the item, or the lists of that date are not known.
        InputInvalid: there is no such placement.
    """
    layout, placement = layout_of(settings), asked.placement
    if placement not in settings.placements:
        known = sorted(settings.placements)
        raise InputInvalid(f"There is no placement {placement}.", where="--placement", todo=f"Ask for one of {known}.")
    served = _served(settings, layout, asked.user, placement)
    user = _index(layout, tables.USER_VOCABULARY, "user_id", asked.user)
    item = [_index(layout, tables.ITEM_VOCABULARY, "item_id", asked.item)] if asked.item is not None else []
    day, earlier = _days(layout, asked.as_of or (served.as_of if served else None), asked.before)
    now = UserNight(layout, settings, day, user, placement)
    then = UserNight(layout, settings, earlier, user, placement) if earlier else None
    versions = _versions(settings, layout, now, then, served)
    if now.listed is None:
        return _of_nobody(asked, versions, served, now.system)
    made = Explainer(settings, now, then, asked.n_features)
    made.served = served if served is not None and served.as_of == day else None
    made.look_at(item)
    left = [] if item else [one for one in made.listed_before[: asked.k] if one not in made.listed]
    return Explanation(
        user_id=asked.user,
        placement=placement,
        segment=now.listed["segment"],
        whose="personal",
        system=now.system,
        n_candidates=len(now.ranks),
        n_listed=len(made.listed),
        versions=versions,
        items=[made.explain(one) for one in item or made.listed[: asked.k]],
        left=[made.explain(one) for one in left],
    )


def _of_nobody(asked: Question, versions: Versions, served: TopN | None, system: str) -> Explanation:
    return Explanation(
        user_id=asked.user,
        placement=asked.placement,
        segment=served.segment if served else None,
        whose="fallback",
        system=system,
        n_candidates=0,
        n_listed=0,
        versions=versions,
        items=[],
        left=[],
    )


def _served(settings: Settings, layout: Layout, user_id: str, placement: str) -> TopN | None:
    try:
        lists = Lists(store_of(settings.store, layout))
        return lists.get(user_id, settings.placements[placement].length, placement)
    except SnapshotMissing:
        return None


def _index(layout: Layout, table: tables.Table, column: str, value: str) -> int:
    rows = lake.where(layout, table, column, [value])
    if not rows.num_rows:
        raise InputMissing(
            f"{value!r} is not in {table.name}.",
            where=str(layout.table(table)),
            todo="Check the id; one that never had an event has no history, and gets a fallback list.",
        )
    return int(rows[table.column_names[0]][0].as_py())


def _days(layout: Layout, as_of: dt.date | None, before: dt.date | None) -> tuple[dt.date, dt.date | None]:
    dates = lake.dates(layout, tables.TOP_N_LISTS)
    day = as_of or max(dates, default=None)
    if day is None or day not in dates:
        raise lake.missing(layout, tables.TOP_N_LISTS, day)
    if before is not None and before not in dates:
        raise lake.missing(layout, tables.TOP_N_LISTS, before)
    return day, before or max((date for date in dates if date < day), default=None)


def _versions(
    settings: Settings, layout: Layout, now: UserNight, then: UserNight | None, served: TopN | None
) -> Versions:
    made_with = str(artifact.about(layout.artifact("ranker", now.as_of)).get("fingerprint", ""))
    return Versions(
        snapshot=served.snapshot if served else None,
        as_of=now.as_of,
        before=then.as_of if then else None,
        artifacts=now.sha256(),
        booster=f"night-{now.placement}",
        settings=made_with,
        is_same_settings=made_with == settings.fingerprint("ranker", "candidates", "als", "shop"),
    )
