"""Shown slots counted by position, as it is done inside Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from models import examination, impressions
from models.examination import Compared, Tally
from models.impressions import LAST_POSITION
from models.ragged import AnyArray

SCHEMA: Final = "placement string, kind string, position int, other int, value bigint"


def tallies(shown: DataFrame) -> dict[str, Tally]:
    """Sums of `models.examination.tally` over all users, by placement; only positions reach the driver.

    Args:
        shown: column `shown`, the structs of `models.impressions.read`, one row a user.
    """
    counted = shown.select("shown").mapInArrow(_count_blocks, SCHEMA)
    sums = counted.groupBy("placement", "kind", "position", "other").agg(F.sum("value").alias("value")).collect()
    made: dict[str, Tally] = {}
    for row in sorted(sums, key=lambda row: str(row["placement"])):
        columns = _columns(made.setdefault(row["placement"], _nothing()))
        columns[row["kind"]][row["position"] - 1, row["other"]] = row["value"]
    return made


def _nothing() -> Tally:
    def compared() -> Compared:
        return Compared(np.zeros((LAST_POSITION,) * 2, dtype=np.int64), np.zeros(LAST_POSITION, dtype=np.int64))

    return Tally(
        compared(), compared(), np.zeros(LAST_POSITION, dtype=np.int64), np.zeros(LAST_POSITION, dtype=np.int64)
    )


def _count_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in blocks:
        slots = impressions.read(batch.column("shown"))
        for code, placement in enumerate(slots.names):
            for kind, table in _columns(examination.tally(slots, code)).items():
                yield _rows(placement, kind, table)


def _columns(counted: Tally) -> dict[str, AnyArray]:
    """The arrays of a tally by name, each as a matrix with one row a position; views, not copies."""
    return {
        "randomised_wins": counted.randomised.wins,
        "harvested_wins": counted.harvested.wins,
        "randomised": counted.randomised.clicks[:, None],
        "harvested": counted.harvested.clicks[:, None],
        "shown": counted.n_shown[:, None],
        "clicked": counted.n_clicked[:, None],
    }


def _rows(placement: str, kind: str, table: AnyArray) -> pa.RecordBatch:
    """One row a number that is not 0; `position` from 1, `other` the column from 0."""
    at, others = np.nonzero(table)
    return pa.RecordBatch.from_pydict(
        {
            "placement": pa.array([placement] * len(at), pa.string()),
            "kind": pa.array([kind] * len(at), pa.string()),
            "position": pa.array(at + 1, pa.int32()),
            "other": pa.array(others, pa.int32()),
            "value": pa.array(table[at, others], pa.int64()),
        }
    )
