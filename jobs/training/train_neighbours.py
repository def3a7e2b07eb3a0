"""Item neighbours and the popularity of items in each segment."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from scipy import sparse

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import lake
from jobs.catalogue import item_texts
from jobs.ingest.flag_users import flagged
from jobs.paths import layout_of
from jobs.session import cores
from jobs.training import fit_scorers
from models import item_arrays, neighbours
from models.item_arrays import ItemArrays
from models.ragged import Float32, Int32, lists, rows_of

EVERYONE: Final = "all"
POPULAR_DAYS: Final = 28
MAX_SEGMENTS: Final = 64
TEXTS: Final = ("title", "category", "department", "brand")
DAYS_AT_MOST: Final = 100_000
_TAKEN: Final = ("day", "user_idx", "item_idx", "weight")
_BOUGHT: Final = ("user_idx", "item_idx", "baskets", "quantities", "last_days")


def run(_: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The artifact of covisit, content and category neighbours, of segment popularity and of the scorers.

    Raises:
        InputMissing: features or traffic of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    items = item_arrays.load(layout.artifact("item_arrays", as_of))
    matrices = _similarities(settings, layout, items, as_of)
    segments, buyers = _segment_popularity(layout, items.n_items, as_of)
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
    settings: Settings, layout: Layout, items: ItemArrays, as_of: dt.date
) -> dict[str, sparse.csr_matrix]:
    wanted = settings.candidates
    threads = settings.threads or cores()
    recommendable = np.asarray(items.is_recommendable)
    baskets = _baskets(layout, items.n_items, first=as_of - dt.timedelta(days=wanted.covisit_days - 1), last=as_of)
    kept = baskets @ sparse.diags(recommendable.astype(np.float32))
    kept.eliminate_zeros()
    words = [pc.fill_null(column, "") for column in item_texts(layout, as_of, TEXTS).columns]
    texts = pc.binary_join_element_wise(*words, " ").to_pylist()
    return {
        "covisit": neighbours.covisit(kept.tocsr(), wanted.neighbours, threads=threads),
        "content": neighbours.content(texts, recommendable, wanted.neighbours, threads=threads),
        "category": neighbours.category(items, recommendable, wanted.neighbours),
    }


def _baskets(layout: Layout, n_items: int, *, first: dt.date, last: dt.date) -> sparse.csr_matrix:
    """What users who are not flagged took to on each day, 1 where the basket holds the item."""
    left_out, since = flagged(layout, last), day_number(first)
    keys, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for batch in lake.batches_between(layout, tables.INTERACTIONS, first, last, _TAKEN):
        users, item_idx = (batch.column(name).to_numpy() for name in ("user_idx", "item_idx"))
        days = batch.column("day").cast(pa.int32()).to_numpy()
        counts = (batch.column("weight").to_numpy() > 0) & (item_idx < n_items) & ~np.isin(users, left_out)
        keys.append((users.astype(np.int64) * DAYS_AT_MOST + days - since)[counts])
        items.append(item_idx[counts])
    return neighbours.basket_matrix(np.concatenate(keys), np.concatenate(items), n_items)


def _segment_popularity(layout: Layout, n_items: int, as_of: dt.date) -> tuple[dict[str, int], Float32]:
    """Buyers of the last 28 days by segment and item; row 0 is everyone. The largest segments are kept.

    Flagged users do not count. The histories pass in blocks; a code a user stays in memory.
    """
    left_out, since = flagged(layout, as_of), day_number(as_of) - POPULAR_DAYS
    segments, of_user = _segments(layout, left_out, as_of)
    counts = np.zeros((len(segments), n_items), dtype=np.int64)
    for batch in lake.batches(layout, tables.HISTORIES, as_of, _BOUGHT):
        users = batch.column("user_idx").to_numpy()
        offsets, item_idx = lists(batch.column("item_idx"))
        baskets, quantities, last_days = (lists(batch.column(name))[1] for name in _BOUGHT[2:])
        rows = rows_of(offsets)
        recent = (baskets > 0) & (quantities > 0) & (last_days > since) & (item_idx < n_items)
        recent &= ~np.isin(users, left_out)[rows]
        np.add.at(counts, (of_user[users[rows[recent]]], item_idx[recent]), 1)
    buyers = counts.astype(np.float32)
    buyers[0] = buyers.sum(axis=0)
    return segments, buyers


def _segments(layout: Layout, left_out: Int32, as_of: dt.date) -> tuple[dict[str, int], Int32]:
    """The row of each of the MAX_SEGMENTS largest segments, and that of each user by index; 0 is all others'."""
    known = [
        batch.column("user_idx").to_numpy() for batch in lake.batches(layout, tables.HISTORIES, as_of, _BOUGHT[:1])
    ]
    shoppers = np.concatenate(known)
    codes, found = np.zeros(int(shoppers.max(initial=-1)) + 1, dtype=np.int32), {EVERYONE: 0}
    for batch in lake.batches(layout, tables.USER_FEATURES, as_of, ("user_idx", "segment")):
        named = batch.column("segment").dictionary_encode()
        of_name = np.array([found.setdefault(name, len(found)) for name in named.dictionary.to_pylist()], np.int32)
        codes[batch.column("user_idx").to_numpy()] = of_name[named.indices.to_numpy()]
    counted = np.bincount(codes[shoppers[~np.isin(shoppers, left_out)]], minlength=len(found))
    sizes = {name: int(n) for name, n in zip(found, counted, strict=True) if n}
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:MAX_SEGMENTS]
    segments = {EVERYONE: 0}
    segments |= {name: row + 1 for row, name in enumerate(sorted(set(largest) - {EVERYONE}))}
    row_of_code = np.array([segments.get(name, 0) for name in found], dtype=np.int32)
    return segments, row_of_code[codes]
