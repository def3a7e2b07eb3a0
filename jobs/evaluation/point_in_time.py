"""Whether what is stored as of a date is what was known on that date, for a sample of users.

The past of each sampled user is made again from the day rows up to the date and no others, and held against their row
of `histories` and of `user_features`. A feature of another date, or of an event that was still to come, differs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from contracts import tables
from contracts.days import EPOCH, day_number
from contracts.layout import Layout
from contracts.tables import Table
from jobs import lake
from jobs.evaluation.gates import Gate
from models.histories import NEVER, DayRows, Pairs, Users, empty_pairs, fold
from models.negatives import hash_of
from models.ragged import Int32, offsets_of

NAME: Final = "features_in_time"
_EXACT: Final = ("item_idx", "baskets", "first_days", "last_days", "first_baskets", "last_baskets")
_OF_USER: Final = ("n_baskets", "first_day", "last_day")
_FEATURES: Final = ("n_baskets", "recency_days", "tenure_days")


def features_in_time(layout: Layout, dates: list[dt.date], *, n_users: int, seed: int) -> Gate:
    """A gate that is red where a sampled user's stored past or features are not those of the date.

    Args:
        layout: of the root.
        dates: of the histories and features that lists and metrics were made from.
        n_users: sampled on each date, by a hash.
        seed: of the hash.
    """
    wrong = {date: _users_out_of_time(layout, date, n_users, seed) for date in dates}
    found = sum(len(users) for users in wrong.values())
    told = "; ".join(f"as of {date}: user_idx {', '.join(map(str, some[:3]))}" for date, some in wrong.items() if some)
    note = f"of {n_users} users sampled as of each of {', '.join(map(str, dates))}"
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
    chosen = _sample(layout, as_of, n_users, seed)
    if not len(chosen):
        return []
    news, late = _day_rows(layout, as_of, chosen)
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


def _sample(layout: Layout, as_of: dt.date, n_users: int, seed: int) -> Int32:
    """The users of a date with the lowest hashes, ascending."""
    batches = lake.batches(layout, tables.HISTORIES, as_of, ("user_idx",))
    users = np.concatenate([np.zeros(0, np.int32), *[batch.column("user_idx").to_numpy() for batch in batches]])
    hashes = hash_of(users.astype(np.int64), np.zeros(len(users), dtype=np.int64), seed)
    lowest = np.lexsort((users, hashes))[:n_users]
    return np.sort(users[lowest]).astype(np.int32)


def _day_rows(layout: Layout, as_of: dt.date, chosen: Int32) -> tuple[DayRows, set[int]]:
    """The sampled users' day rows up to the date, and the users of whom one landed after it: theirs may be newer."""
    paths = [file.path for file in lake.files(layout, tables.INTERACTIONS, last=as_of)]
    columns = ["day", "user_idx", "item_idx", "n_purchases", "weight", "quantity", "amount", "landed_on"]
    of_users = (pc.field("day") <= pa.scalar(as_of)) & pc.field("user_idx").isin(pa.array(chosen))
    table = pads.dataset(paths, format="parquet").to_table(columns=columns, filter=of_users) if paths else None
    if table is None:
        raise lake.missing(layout, tables.INTERACTIONS)
    users = table["user_idx"].to_numpy()
    days = table["day"].cast(pa.int32()).to_numpy() - day_number(EPOCH)
    late = pc.greater(table["landed_on"], pa.scalar(as_of)).to_numpy(zero_copy_only=False).astype(bool)
    news = DayRows(
        rows=np.searchsorted(chosen, users).astype(np.int64),
        days=days.astype(np.int32),
        item_idx=table["item_idx"].to_numpy(),
        is_purchase=table["n_purchases"].to_numpy() > 0,
        weights=table["weight"].to_numpy(),
        quantities=table["quantity"].to_numpy(),
        amounts=table["amount"].to_numpy(),
    )
    return news, set(users[late].tolist())


def _rows(
    layout: Layout, table: Table, as_of: dt.date, chosen: Int32, columns: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    keys = pa.array(chosen)
    for batch in lake.batches(layout, table, as_of, ("user_idx", *columns)):
        yield from batch.filter(pc.is_in(batch.column("user_idx"), keys)).to_pylist()
