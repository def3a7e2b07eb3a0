"""Item neighbours and the popularity of items in each segment."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy import sparse

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import storage
from jobs.ingest.flag_users import without_flagged
from jobs.kitchens import users_of
from jobs.paths import layout_of
from jobs.session import cores
from jobs.training import fit_scorers
from jobs.training.build_features import catalogue_as_of
from models import item_arrays, neighbours
from models.histories import pairs_of
from models.item_arrays import ItemArrays
from models.ragged import Float32

EVERYONE: Final = "all"
POPULAR_DAYS: Final = 28
MAX_SEGMENTS: Final = 64


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The artifact of covisit, content and category neighbours, of segment popularity and of the scorers.

    Raises:
        InputMissing: features or traffic of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    items = item_arrays.load(layout.artifact("item_arrays", as_of))
    matrices = _similarities(spark, settings, layout, items, as_of)
    shoppers = without_flagged(spark, layout, users_of(spark, layout, as_of), as_of)
    segments, buyers = _segment_popularity(shoppers, items.n_items, as_of)
    sha256 = neighbours.save(
        layout.artifact("neighbours", as_of),
        matrices,
        buyers,
        json.dumps(segments, sort_keys=True),
        scorers=fit_scorers.arrays(settings, layout, items, as_of),
        about={"as_of": as_of.isoformat(), "n_items": items.n_items},
    )
    return JobReport(
        job="train_neighbours",
        as_of=as_of,
        rows={f"{name}_neighbours": int(matrix.nnz) for name, matrix in matrices.items()} | {"segments": len(segments)},
        details={"sha256": sha256},
        seconds=time.perf_counter() - started,
    )


def _similarities(
    spark: SparkSession, settings: Settings, layout: Layout, items: ItemArrays, as_of: dt.date
) -> dict[str, sparse.csr_matrix]:
    wanted = settings.candidates
    threads = settings.threads or cores()
    recommendable = np.asarray(items.is_recommendable)
    first = as_of - dt.timedelta(days=wanted.covisit_days - 1)
    day_rows = storage.read(spark, layout, tables.INTERACTIONS, first=first, last=as_of)
    recent = without_flagged(spark, layout, day_rows.where(F.col("weight") > 0), as_of)
    keys = recent.select(
        (F.col("user_idx").cast("long") * 100_000 + F.datediff("day", F.lit(first))).alias("basket"), "item_idx"
    )
    table = keys.where(F.col("item_idx") < items.n_items).toArrow()
    baskets = neighbours.basket_matrix(table["basket"].to_numpy(), table["item_idx"].to_numpy(), items.n_items)
    kept = baskets @ sparse.diags(recommendable.astype(np.float32))
    kept.eliminate_zeros()
    return {
        "covisit": neighbours.covisit(kept.tocsr(), wanted.neighbours, threads=threads),
        "content": neighbours.content(_texts(spark, layout, as_of), recommendable, wanted.neighbours, threads=threads),
        "category": neighbours.category(items, recommendable, wanted.neighbours),
    }


def _texts(spark: SparkSession, layout: Layout, as_of: dt.date) -> list[str]:
    items, _ = catalogue_as_of(spark, layout, as_of)
    words = F.concat_ws(" ", "title", "category", "department", "brand")
    table = items.select("item_idx", words.alias("words")).toArrow().sort_by("item_idx")
    texts: list[str] = table["words"].to_pylist()
    return texts


def _segment_popularity(users: DataFrame, n_items: int, as_of: dt.date) -> tuple[dict[str, int], Float32]:
    """Buyers of the last 28 days by segment and item; row 0 is everyone. The largest segments are kept."""
    sizes = users.groupBy("segment").count().orderBy(F.desc("count"), "segment").limit(MAX_SEGMENTS).collect()
    names = sorted(row["segment"] for row in sizes if row["segment"] != EVERYONE)
    segments = {EVERYONE: 0, **{name: position + 1 for position, name in enumerate(names)}}
    since = day_number(as_of) - POPULAR_DAYS

    def count_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        totals: dict[str, np.ndarray] = {}
        for batch in blocks:
            pairs = pairs_of(batch)
            recent = pairs.is_bought & (pairs.last_days > since) & (pairs.item_idx < n_items)
            names = np.array(
                [s if s in segments else EVERYONE for s in batch.column("segment").to_pylist()], dtype=object
            )
            of_pair = names[pairs.rows[recent]]
            for name in set(of_pair.tolist()):
                counted = np.bincount(pairs.item_idx[recent][of_pair == name], minlength=n_items)
                totals[name] = totals.get(name, 0) + counted
        for name, counts in totals.items():
            items = np.flatnonzero(counts)
            columns = [pa.array([name] * len(items)), pa.array(items, pa.int32()), pa.array(counts[items], pa.int64())]
            yield pa.RecordBatch.from_arrays(columns, names=["segment", "item_idx", "buyers"])

    partial = users.mapInArrow(count_blocks, "segment string, item_idx int, buyers long")
    table = partial.groupBy("segment", "item_idx").agg(F.sum("buyers").alias("buyers")).toArrow()
    buyers = np.zeros((len(segments), n_items), dtype=np.float32)
    codes = np.array([segments[name] for name in table["segment"].to_pylist()], dtype=np.int64)
    np.add.at(buyers, (codes, table["item_idx"].to_numpy()), table["buyers"].to_numpy())
    buyers[0] = buyers.sum(axis=0)
    return segments, buyers
