"""The compacted base as of a date, folded forward from an earlier one, or that of several dates made at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.days import EPOCH, day_number
from contracts.tables import HISTORIES
from models import histories

BLOCK_ROWS: Final = 1 << 17
_COLUMNS: Final = tuple(column for column in HISTORIES.columns if column.name != "as_of")
_SCHEMA: Final = ", ".join(f"{column.name} {column.type}" for column in _COLUMNS)


def fold_days(base: DataFrame, interactions: DataFrame, *, base_day: dt.date, as_of: dt.date) -> DataFrame:
    """`histories` as of `as_of`, one row a user with any interaction by then, without the column `as_of`.

    Args:
        base: `histories` as of `base_day`, without `as_of`; empty for a rebuild.
        interactions: day rows with base_day < day <= as_of.
    """
    news = interactions.groupBy("user_idx").agg(
        *[F.collect_list(column).alias(f"news_{name}") for name, column in _news_columns(interactions).items()]
    )
    joined = base.join(news, "user_idx", "full_outer")
    first, last = day_number(base_day), day_number(as_of)

    def fold_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in blocks:
            before, pairs, rows = histories.users_of(block), histories.pairs_of(block), histories.day_rows_of(block)
            after, merged = histories.fold(before, pairs, rows, base_day=first, as_of_day=last)
            out = {"user_idx": block.column("user_idx"), **histories.to_columns(after, merged)}
            yield _batch(out)

    return joined.mapInArrow(fold_blocks, _SCHEMA)


def rebuild_days(interactions: DataFrame, dates: Sequence[dt.date]) -> DataFrame:
    """`histories` as of each of `dates` in one pass: one row a date and user with any interaction by that date.

    Args:
        interactions: all day rows with day <= the last of the dates.
        dates: in any order.
    """
    days = [day_number(date) for date in sorted(dates)]
    rows = interactions.select("user_idx", *[c.alias(name) for name, c in _news_columns(interactions).items()])

    def rebuild_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in whole_users(batches, BLOCK_ROWS):
            users, day_rows = histories.in_order(block)
            for day in days:
                present, state, pairs = histories.by_then(day_rows, day)
                out = {"user_idx": pa.array(users[present], pa.int32()), **histories.to_columns(state, pairs)}
                as_of = pa.array(np.full(len(present), day, dtype=np.int32)).cast(pa.date32())
                yield _batch(out).append_column("as_of", as_of)

    return _by_user(rows).mapInArrow(rebuild_blocks, f"{_SCHEMA}, as_of date")


def whole_users(batches: Iterable[pa.RecordBatch], n_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows in blocks of about `n_rows`, no user in two of them.

    Args:
        batches: with `user_idx`; the rows of a user lie in a run.
        n_rows: a block is cut at the last user that it holds whole; one user with more rows is a block.
    """
    held: list[pa.RecordBatch] = []
    wanted = n_rows
    for batch in batches:
        held.append(batch)
        if sum(part.num_rows for part in held) < wanted:
            continue
        block = pa.concat_batches(held)
        users = block.column("user_idx").to_numpy()
        end = int(np.flatnonzero(users != users[-1]).max(initial=-1)) + 1
        if end:
            yield block.slice(0, end)
        held, wanted = [block.slice(end)], n_rows if end else 2 * wanted
    if held:
        yield pa.concat_batches(held)


def _by_user(rows: DataFrame) -> DataFrame:
    return rows.repartition("user_idx").sortWithinPartitions("user_idx")


def _batch(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    names = [column.name for column in _COLUMNS]
    return pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)


def _news_columns(interactions: DataFrame) -> dict[str, Column]:
    return {
        "days": F.datediff(interactions["day"], F.lit(EPOCH)),
        "item_idx": interactions["item_idx"],
        "is_purchase": interactions["n_purchases"] > 0,
        "weights": interactions["weight"],
        "quantities": interactions["quantity"],
        "amounts": interactions["amount"],
    }
