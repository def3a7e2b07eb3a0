"""In how many lists of a table an item stands among the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from models.exposure import Exposure


def reach_of(ranked: DataFrame, places: int) -> DataFrame:
    """One row a placement and item that is in some list's first places: `placement`, `item_idx`, `lists`.

    Args:
        ranked: `placement`, `item_idx` (best first).
        places: first places of a list that count.
    """

    def count_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        exposure = Exposure(places)
        for batch in blocks:
            exposure.add(batch)
        yield from exposure.rows()

    schema = "placement string, item_idx int, lists long"
    partial = ranked.select("placement", "item_idx").mapInArrow(count_blocks, schema)
    return partial.groupBy("placement", "item_idx").agg(F.sum("lists").alias("lists"))
