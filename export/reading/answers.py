"""An answer as it is served, made from rows of a snapshot."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from contracts.errors import InputInvalid
from export.stores.base import Rows

Kind = Literal["personal", "segment", "popular", "last_good"]
Channel = Literal["stable", "canary", "interleaved"]
Excluded = Sequence[Collection[str]]
"""Sets of item ids that must not show."""
LOG: Final = logging.getLogger("larder.lookup")


class PlacementUnknown(InputInvalid):
    """The snapshot has no lists for that placement."""


class TopN(msgspec.Struct, frozen=True):
    """A list as it is served. The five lists are parallel, best first.

    Attributes:
        items: item ids.
        scores: comparable within the list only.
        reasons: as a shopper reads them.
        sources: names of the sources that the reasons stand for.
        snapshot: id of the snapshot that all of it comes from, or, of an interleaved list, the stable one.
        age_hours: from the end of the day `as_of` (UTC) to the time given by the caller, None where none was given.
        is_stale: whether that is more than the reader's limit, None where no time was given.
        source: whose list it is; `last_good` is one that was kept on this machine, because the store is away.
        segment: the segment that was known for the user, None for a user without one.
        is_degraded: the user may have an own list, but it is damaged or cannot be reached.
        overlay: id of the eligibility overlay that was applied, None without one.
        channel: whose snapshot it is; `interleaved` is a list of two snapshots, the only answer that is.
        teams: of an interleaved list, whose item each one is: `stable` (of `snapshot`) or `canary`; None otherwise.
        canary_snapshot: of an interleaved list, id of the other snapshot; None otherwise.
    """

    user_id: str
    placement: str
    items: list[str]
    titles: list[str | None]
    scores: list[float]
    reasons: list[str]
    sources: list[str]
    snapshot: str
    as_of: dt.date
    age_hours: float | None
    is_stale: bool | None
    source: Kind
    segment: str | None
    is_degraded: bool = False
    overlay: str | None = None
    channel: Channel = "stable"
    teams: list[Literal["stable", "canary"]] | None = None
    canary_snapshot: str | None = None


def age_hours(as_of: dt.date, now: dt.datetime) -> float:
    """Hours from the end of the day `as_of` (UTC) to `now`, which knows its offset."""
    end = dt.datetime.combine(as_of, dt.time(), tzinfo=dt.UTC) + dt.timedelta(days=1)
    return (now - end).total_seconds() / 3600


def kept(items: Sequence[str], k: int, excluded: Excluded) -> list[int] | None:
    """Places of the best `k` items that are in none of `excluded`; None where these are just the first `k`."""
    if not excluded:
        return None
    places = [i for i, name in enumerate(items) if not any(name in ids for ids in excluded)][:k]
    return None if len(places) == min(k, len(items)) and (not places or places[-1] == len(places) - 1) else places


def cut(rows: Rows, k: int, excluded: Excluded) -> Rows:
    """The best `k` places of `rows` whose items are in none of `excluded`; fewer where there are no more."""
    places = kept(rows.items, k, excluded)
    if places is None and len(rows.items) <= k:
        return rows
    columns = (rows.items, rows.titles, rows.scores, rows.sources, rows.reasons, rows.indices)
    items, titles, scores, sources, texts, indices = _columns(columns, places, k)
    return Rows(items, titles, scores, sources, texts, indices, n_damaged=rows.n_damaged)


def cut_answer(made: TopN, k: int, excluded: Excluded, **changed: Any) -> TopN:
    """The same of an answer, with fields changed."""
    columns = (made.items, made.titles, made.scores, made.reasons, made.sources)
    items, titles, scores, texts, sources = _columns(columns, kept(made.items, k, excluded), k)
    return replace(made, items=items, titles=titles, scores=scores, reasons=texts, sources=sources, **changed)


def _columns(columns: Sequence[list[Any]], places: list[int] | None, k: int) -> list[list[Any]]:
    if places is None:
        return [column[:k] for column in columns]
    return [[column[i] for i in places] for column in columns]
