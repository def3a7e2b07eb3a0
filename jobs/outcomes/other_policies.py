"""What other policies would have earned of the logged slots, as rows of the table `outcome_rates`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Outcomes
from jobs import lake
from jobs.outcomes.rates import ALL, Row
from jobs.outcomes.shown_slots import codes
from models.off_policy import Estimate, Interval, Limits, Logged, estimate

NO_EXPLORATION: Final = "no_exploration"
POPULAR: Final = "popular"
REWARDS: Final = {"ctr": "n_clicks", "conversion": "n_purchases"}
Wanted = Callable[[pa.Table], list[str | None]]
"""The item that a policy shows in each slot, None where it shows nothing."""


def rows_of(shown: pa.Table, layout: Layout, settings: Outcomes, snapshots: Sequence[str]) -> list[Row]:
    """Estimates of "no exploration", the popular list, and the lists of other snapshots, by placement.

    Only slots count that the log knows and that were shown at their own place, to users who read one snapshot.

    Args:
        shown: the result of `shown_slots.read` with at least one impression each.
        layout: of the root.
        settings: limits below which an estimate is refused.
        snapshots: ids in the slot log; each is a policy that shows its lists.

    Raises:
        InputMissing: the slot log has no such snapshot.
    """
    policies: dict[str, Wanted] = {
        NO_EXPLORATION: lambda slots: slots["usual_item_id"].to_pylist(),
        POPULAR: lambda slots: _popular(layout, slots),
        **{name: partial(_of_snapshot, layout, name) for name in snapshots},
    }
    made: list[Row] = []
    for placement in sorted(set(shown["placement"].to_pylist())):
        slots = shown.filter(pc.and_(_countable(shown), pc.equal(shown["placement"], placement)))
        for name, wanted in policies.items() if slots.num_rows else ():
            items = wanted(slots)
            for reward, column in REWARDS.items():
                found = estimate(_logged(slots, items, column), _limits(settings))
                made.extend(_rows(found, name, reward, placement))
    return made


def _countable(shown: pa.Table) -> pa.ChunkedArray:
    is_logged = pc.and_(pc.greater(shown["slot"], 0), pc.is_valid(shown["propensity"]))
    in_place = pc.and_(pc.equal(shown["slot"], shown["position"]), pc.not_equal(shown["channel"], "interleaved"))
    return pc.fill_null(pc.and_(is_logged, in_place), False)


def _limits(settings: Outcomes) -> Limits:
    return Limits(settings.min_overlap, settings.min_support, settings.min_effective_slots, settings.min_rewards)


def _logged(slots: pa.Table, wanted: list[str | None], column: str) -> Logged:
    both = pa.chunked_array([slots["item_id"].combine_chunks(), pa.array(wanted, pa.string())])
    coded = both.dictionary_encode().unify_dictionaries().combine_chunks().indices
    items = pc.fill_null(coded, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    n = slots.num_rows
    return Logged(
        users=codes(slots["user_id"])[0],
        slots=slots["slot"].to_numpy().astype(np.int64),
        shown=items[:n],
        wanted=items[n:],
        propensities=slots["propensity"].to_numpy().astype(np.float64),
        rewards=(slots[column].to_numpy() > 0).astype(np.float64),
    )


def _popular(layout: Layout, slots: pa.Table) -> list[str | None]:
    def item(snapshot: str, placement: str, slot: int) -> str | None:
        listed = _popular_list(layout, dt.date.fromisoformat(snapshot[:10]), placement)
        return listed[slot - 1] if slot <= len(listed) else None

    return [item(*key) for key in zip(*(slots[n].to_pylist() for n in ("snapshot", "placement", "slot")), strict=True)]


@lru_cache(maxsize=256)
def _popular_list(layout: Layout, as_of: dt.date, placement: str) -> tuple[str, ...]:
    """Ids of the list of segment `all`, best first; nothing where its night is not in the lake any more."""
    if as_of not in lake.dates(layout, tables.FALLBACK_LISTS):
        return ()
    rows = pa.Table.from_batches(
        list(lake.batches(layout, tables.FALLBACK_LISTS, as_of, ("placement", "segment", "item_idx")))
    ).to_pylist()
    known = pa.Table.from_batches(list(lake.batches(layout, tables.ITEMS, as_of, ("item_idx", "item_id"))))
    names = dict(zip(known["item_idx"].to_pylist(), known["item_id"].to_pylist(), strict=True))
    listed = [row["item_idx"] for row in rows if (row["placement"], row["segment"]) == (placement, "all")]
    return tuple(names[item] for item in listed[0]) if listed else ()


def _of_snapshot(layout: Layout, snapshot: str, slots: pa.Table) -> list[str | None]:
    """The items that a snapshot's lists, without exploration, have in these slots; only the users' rows are kept."""
    users, placement = pc.unique(slots["user_id"]), slots["placement"][0].as_py()
    lists: dict[str, list[str]] = {}
    is_known = False
    columns = ("placement", "user_id", "usual_item_ids")
    for batch in lake.partition(layout, tables.SLOTS, {"snapshot": snapshot}, columns):
        is_known = True
        mine = batch.filter(
            pc.and_(pc.equal(batch.column("placement"), placement), pc.is_in(batch.column("user_id"), users))
        )
        lists |= dict(zip(mine.column("user_id").to_pylist(), mine.column("usual_item_ids").to_pylist(), strict=True))
    if not is_known:
        raise InputMissing(
            f"The slot log has no snapshot {snapshot}.",
            where=str(layout.table(tables.SLOTS)),
            todo="Name one that `larder status` or the store's history shows.",
        )
    asked = zip(slots["user_id"].to_pylist(), slots["slot"].to_pylist(), strict=True)
    return [lists[user][slot - 1] if slot <= len(lists.get(user, ())) else None for user, slot in asked]


def _rows(found: Estimate, policy: str, reward: str, placement: str) -> list[Row]:
    facts: list[tuple[str, str, Interval]] = [
        ("snips", f"{policy}_{reward}", found.snips),
        ("doubly_robust", f"{policy}_{reward}", found.doubly_robust),
        ("logged", f"{policy}_{reward}", found.logged),
    ]
    of_log = {"overlap": found.overlap, "support": found.support, "effective_slots": found.effective_slots}
    facts += [(ALL, f"{policy}_{reward}_{name}", Interval(value, np.nan, np.nan)) for name, value in of_log.items()]
    return [_row(found, placement, *fact) for fact in facts]


def _row(found: Estimate, placement: str, source: str, metric: str, interval: Interval) -> dict[str, Any]:
    is_estimate = source in {"snips", "doubly_robust"}
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {
        "placement": placement, "channel": ALL, "source": source, "position": 0, "metric": metric,
        **{name: float(number) if np.isfinite(number) else None for name, number in numbers.items()},
        "n_slots": found.n_slots, "n_users": found.n_users, "note": found.refusal if is_estimate else "",
    }  # fmt: skip
