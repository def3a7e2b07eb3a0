"""How many candidates each source brought, and how many no other source did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from models.ragged import lists

ANY: Final = "any"
_NAMES: Final = ("source", "users", "proposed", "alone")


def source_counts(candidates: DataFrame, sources: tuple[str, ...]) -> DataFrame:
    """One row a source and one for all of them (`any`): `users` in the table, `proposed` items, items `alone` by it.

    Args:
        candidates: rows of the table `candidates`.
        sources: names in the order of the bits.
    """

    def count_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        users = 0
        totals = np.zeros((len(sources) + 1, 2), dtype=np.int64)
        for batch in blocks:
            bits = lists(batch.column("source_bits"))[1]
            users += batch.num_rows
            totals[-1] += len(bits), 0
            for position in range(len(sources)):
                totals[position] += np.count_nonzero(bits & (1 << position)), np.count_nonzero(bits == 1 << position)
        columns = [[*sources, ANY], [users] * len(totals), totals[:, 0], totals[:, 1]]
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], names=list(_NAMES))

    partial = candidates.select("source_bits").mapInArrow(
        count_blocks, "source string, users long, proposed long, alone long"
    )
    return partial.groupBy("source").agg(*[F.sum(name).alias(name) for name in _NAMES[1:]])
