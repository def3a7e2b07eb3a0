"""Every user's temporal item frequencies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy import sparse

from contracts.days import EPOCH
from contracts.references_section import References
from models.ragged import lists, rows_of, to_lists
from models.references import tifuknn

NAMES = ["user_idx", "item_idx", "values"]
SCHEMA = "user_idx int, item_idx array<int>, values array<float>"


def frequencies(interactions: DataFrame, n_items: int, wanted: References) -> sparse.csr_matrix:
    """The result of `tifuknn.vectors` for all users, shape (highest user index + 1, n_items).

    Args:
        interactions: day rows by the date; those without a purchase are ignored.
        n_items: items from there on are left out.
        wanted: decays and groups.
    """
    bought = interactions.where((F.col("n_purchases") > 0) & (F.col("item_idx") < n_items))
    day = F.datediff("day", F.lit(EPOCH))
    users = bought.groupBy("user_idx").agg(F.collect_list(day).alias("days"), F.collect_list("item_idx").alias("items"))

    def vector_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in blocks:
            offsets, days = lists(batch.column("days"))
            items = lists(batch.column("items"))[1]
            made = tifuknn.vectors(rows_of(offsets), days, items, (batch.num_rows, n_items), wanted)
            columns = [to_lists(made.indptr, made.indices, pa.int32()), to_lists(made.indptr, made.data, pa.float32())]
            yield pa.RecordBatch.from_arrays([batch.column("user_idx"), *columns], NAMES)

    return _matrix(users.mapInArrow(vector_blocks, SCHEMA).toArrow().sort_by("user_idx"), n_items)


def _matrix(table: pa.Table, n_items: int) -> sparse.csr_matrix:
    users = table["user_idx"].to_numpy()
    offsets, items = lists(table["item_idx"])
    shape = (int(users.max(initial=-1)) + 1, n_items)
    entries = (users[rows_of(offsets)], items)
    matrix: sparse.csr_matrix = sparse.csr_matrix((lists(table["values"])[1].astype(np.float32), entries), shape=shape)
    return matrix
