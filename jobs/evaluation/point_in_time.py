"""Whether what is stored as of a date is what was known on that date, for a sample of users and of items.

The past of each sampled user is made again from the day rows up to the date and no others, and held against their row
of `histories` and of `user_features`; the buyers of each sampled item likewise, against `item_features`. A feature of
another date, or of an event that was still to come, differs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.tables import Table
from jobs import lake
from jobs.erasing.register import register_of
from jobs.evaluation.gates import Gate
from jobs.ingest.flag_users import KIND, flagged
from jobs.parquet_rows import dataset
from models import artifact
from models.histories import NEVER, DayRows, Pairs, Users, empty_pairs, fold
from models.item_sums import Totals
from models.negatives import hash_of
from models.ragged import Int32, offsets_of

NAME: Final = "features_in_time"
_EXACT: Final = ("item_idx", "baskets", "first_days", "last_days", "first_baskets", "last_baskets")
_OF_USER: Final = ("n_baskets", "first_day", "last_day")
_BUYERS: Final = ("buyers", "buyers_7", "buyers_14", "buyers_28", "buyers_84")
_FEATURES: Final = ("n_baskets", "recency_days", "tenure_days")


def features_in_time(layout: Layout, dates: list[dt.date], *, n_users: int, seed: int) -> Gate:
    """A gate that is red where a sampled user's or item's stored past or features are not those of the date.

    Items are looked at on the first date alone, and only while nobody was erased since: erased users are in the counts
    of their items, and in no day row.

    Args:
        layout: of the root.
        dates: of the histories and features that lists and metrics were made from, the night's first.
        n_users: sampled on each date, by a hash, and as many items.
        seed: of the hash.
    """
    wrong = {f"as of {date}: user_idx": _users_out_of_time(layout, date, n_users, seed) for date in dates}
    is_comparable = not _is_erased_since(layout, dates[0])
    if is_comparable:
        wrong[f"as of {dates[0]}: item_idx"] = _items_out_of_time(layout, dates[0], n_users, seed)
    found = sum(map(len, wrong.values()))
    told = "; ".join(f"{where} {', '.join(map(str, some[:3]))}" for where, some in wrong.items() if some)
    items = "as many items" if is_comparable else "no items: users were erased since these were counted"
    note = f"of {n_users} users sampled as of each of {', '.join(map(str, dates))}, and {items}"
    return Gate(
        name=NAME,
        placement="",
        value=float(found),
        limit=0.0,
        level="red" if found else "green",
        note=f"{note}; {told}" if found else note,
    )


def _users_out_of_time(layout: Layout, as_of: dt.date, n_users: int, seed: int) -> list[int]:
    """Sampled users whose stored rows differ from what the day rows up to the date say, ascending."""
    chosen = _sample(layout, tables.HISTORIES, as_of, n_users, seed)
    if not len(chosen):
        return []
    news, late = _day_rows(layout, as_of, "user_idx", chosen, chosen)
    nobody = np.full(len(chosen), NEVER, dtype=np.int32)
    start = Users(np.zeros(len(chosen), dtype=np.int32), nobody, nobody.copy())
    users, pairs = fold(start, empty_pairs(), news, base_day=0, as_of_day=day_number(as_of))
    made = _made_again(chosen, users, pairs, as_of)
    wrong = set()
    for table, columns in ((tables.HISTORIES, (*_OF_USER, *_EXACT)), (tables.USER_FEATURES, _FEATURES)):
        for stored in _rows(layout, table, as_of, chosen, columns):
            if any(stored[name] != made[stored["user_idx"]][name] for name in columns):
                wrong.add(stored["user_idx"])
    return sorted(wrong - late)


def _items_out_of_time(layout: Layout, as_of: dt.date, n_items: int, seed: int) -> list[int]:
    """Sampled items whose stored buyers differ from those of the day rows up to the date, ascending."""
    chosen = _sample(layout, tables.ITEM_FEATURES, as_of, n_items, seed)
    news, late = _day_rows(layout, as_of, "item_idx", chosen, None, _left_out(layout, as_of))
    nobody = np.full(int(news.rows.max(initial=-1)) + 1, NEVER, dtype=np.int32)
    start = Users(np.zeros(len(nobody), dtype=np.int32), nobody, nobody.copy())
    totals = Totals()
    totals.add(fold(start, empty_pairs(), news, base_day=0, as_of_day=day_number(as_of))[1], today=day_number(as_of))
    made = {row["item_idx"]: row for row in pa.table(totals.columns()).to_pylist()}
    wrong = {
        stored["item_idx"]
        for stored in _rows(layout, tables.ITEM_FEATURES, as_of, chosen, _BUYERS)
        if any(stored[name] != made.get(stored["item_idx"], {}).get(name, 0) for name in _BUYERS)
    }
    return sorted(wrong - late)


def _is_erased_since(layout: Layout, as_of: dt.date) -> bool:
    """Whether users were erased after the items of a date were counted."""
    folder = layout.artifact("item_arrays", as_of)
    n_known = artifact.about(folder).get("n_erased", 0) if folder.is_dir() else 0
    return len(register_of(layout).entries()) > int(n_known)


def _made_again(chosen: Int32, users: Users, pairs: Pairs, as_of: dt.date) -> dict[int, dict[str, Any]]:
    """What the rows of each sampled user must hold."""
    offsets, today = offsets_of(pairs.rows, len(chosen)), day_number(as_of)
    made: dict[int, dict[str, Any]] = {}
    for row, user in enumerate(chosen.tolist()):
        inside = slice(offsets[row], offsets[row + 1])
        past = {name: int(getattr(users, name)[row]) for name in _OF_USER}
        ages = {"recency_days": float(today - past["last_day"]), "tenure_days": float(today - past["first_day"])}
        made[user] = past | ages | {name: getattr(pairs, name)[inside].tolist() for name in _EXACT}
    return made


def _sample(layout: Layout, table: Table, as_of: dt.date, n: int, seed: int) -> Int32:
    """The users, or items, of a date with the lowest hashes, ascending."""
    key = table.key[-1]
    batches = lake.batches(layout, table, as_of, (key,))
    known = np.concatenate([np.zeros(0, np.int32), *[batch.column(key).to_numpy() for batch in batches]])
    hashes = hash_of(known.astype(np.int64), np.zeros(len(known), dtype=np.int64), seed)
    return np.sort(known[np.lexsort((known, hashes))[:n]]).astype(np.int32)


def _left_out(layout: Layout, as_of: dt.date) -> Int32:
    """The flagged users of the date, who make no item popular; none where nobody was looked at."""
    is_known = layout.artifact(KIND, as_of).is_dir()
    return flagged(layout, as_of) if is_known else np.zeros(0, dtype=np.int32)


def _day_rows(
    layout: Layout, as_of: dt.date, key: str, chosen: Int32, users: Int32 | None, left_out: Int32 | None = None
) -> tuple[DayRows, set[int]]:
    """The day rows of the sample up to the date, and what of it has one that landed after it: it may be newer.

    Rows are numbered by the place in `users`, or by that among the users found.
    """
    paths = [file.path for file in lake.files(layout, tables.INTERACTIONS, last=as_of)]
    if not paths:
        raise lake.missing(layout, tables.INTERACTIONS)
    columns = ["day", "user_idx", "item_idx", "n_purchases", "weight", "quantity", "amount", "landed_on"]
    of_sample = (pc.field("day") <= pa.scalar(as_of)) & pc.field(key).isin(pa.array(chosen))
    if left_out is not None and len(left_out):
        of_sample &= ~pc.field("user_idx").isin(pa.array(left_out))
    table = dataset(paths).to_table(columns=columns, filter=of_sample)
    found = table["user_idx"].to_numpy()
    late = pc.greater(table["landed_on"], pa.scalar(as_of)).to_numpy(zero_copy_only=False).astype(bool)
    news = DayRows(
        rows=np.searchsorted(np.unique(found) if users is None else users, found).astype(np.int64),
        days=table["day"].cast(pa.int32()).to_numpy(),
        item_idx=table["item_idx"].to_numpy(),
        is_purchase=table["n_purchases"].to_numpy() > 0,
        weights=table["weight"].to_numpy(),
        quantities=table["quantity"].to_numpy(),
        amounts=table["amount"].to_numpy(),
    )
    return news, set(table[key].to_numpy()[late].tolist())


def _rows(
    layout: Layout, table: Table, as_of: dt.date, chosen: Int32, columns: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    key, wanted = table.key[-1], pa.array(chosen)
    for batch in lake.batches(layout, table, as_of, (key, *columns)):
        yield from batch.filter(pc.is_in(batch.column(key), wanted)).to_pylist()
