"""Implicit ALS at two time scales."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from scipy import sparse

from contracts import tables
from contracts.errors import ArtifactCorrupt, InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import storage
from jobs.ingest.flag_users import flagged
from jobs.paths import layout_of
from jobs.session import cores
from models import als, artifact, item_arrays
from models.histories import pairs_of

MODELS: Final = ("als", "als_long")
WARM_DAYS: Final = 7


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The ALS artifact of a date: `als` on event weights halved every 60 days, `als_long` on log counts.

    The fit goes on from the newest artifact at most WARM_DAYS older, else starts from the seed. Flagged users shape no
    factors: theirs are folded in afterwards.

    Raises:
        InputMissing: histories, item arrays or traffic of that date are missing.
        InputInvalid: more pairs than `als.max_pairs`.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    matrices = _confidences(spark, settings, layout, as_of)
    left_out = flagged(layout, as_of)
    base = _warm_start(layout, settings, as_of)
    fitted = {}
    for name, matrix in matrices.items():
        start = als.load(layout.artifact("als", base), name) if base else None
        threads = settings.threads or cores()
        factors = als.fit(
            als.without_rows(matrix, left_out), settings.als, seed=settings.seed, threads=threads, start=start
        )
        fitted[name] = als.fold_in(factors, matrix, left_out, settings.als, threads=threads)
    facts = {
        "as_of": as_of.isoformat(),
        "fingerprint": settings.fingerprint("als"),
        "warm_start": base.isoformat() if base else None,
        "n_pairs": int(matrices["als"].nnz),
    }
    sha256 = als.save(layout.artifact("als", as_of), fitted, about=facts)
    return JobReport(
        job="train_als",
        as_of=as_of,
        rows={"users": matrices["als"].shape[0], "items": matrices["als"].shape[1], "pairs": int(matrices["als"].nnz)},
        details={"sha256": sha256, "warm_start": facts["warm_start"] or "none"},
        seconds=time.perf_counter() - started,
    )


def _confidences(
    spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date
) -> dict[str, sparse.csr_matrix]:
    rows = storage.read_as_of(spark, layout, tables.HISTORIES, as_of)
    items = item_arrays.load(layout.artifact("item_arrays", as_of))
    n_pairs = rows.selectExpr("sum(size(item_idx))").first()
    if n_pairs is not None and (n_pairs[0] or 0) > settings.als.max_pairs:
        raise InputInvalid(
            f"{n_pairs[0]} pairs exceed als.max_pairs = {settings.als.max_pairs}.",
            where=str(layout.table(tables.HISTORIES)),
            todo="Raise als.max_pairs where the driver has 40 bytes of memory a pair.",
        )
    table: pa.Table = rows.orderBy("user_idx").toArrow()
    users = table["user_idx"].to_numpy()
    pairs = pairs_of(table.combine_chunks().to_batches()[0])
    shape = (int(users.max(initial=-1)) + 1, items.n_items)
    usable = (pairs.item_idx < items.n_items) & (pairs.weights > 0)
    usable[usable] = np.asarray(items.is_recommendable)[pairs.item_idx[usable]]
    row, column = users[pairs.rows[usable]], pairs.item_idx[usable]
    long_term = np.log1p(np.maximum(pairs.baskets[usable], pairs.weights[usable]))
    return {
        "als": sparse.csr_matrix((pairs.weights[usable], (row, column)), shape=shape),
        "als_long": sparse.csr_matrix((long_term.astype(np.float32), (row, column)), shape=shape),
    }


def _warm_start(layout: Layout, settings: Settings, as_of: dt.date) -> dt.date | None:
    for age in range(1, WARM_DAYS + 1):
        day = as_of - dt.timedelta(days=age)
        folder = layout.artifact("als", day)
        if not folder.is_dir():
            continue
        try:
            artifact.verify(folder)
        except ArtifactCorrupt as error:
            raise ArtifactCorrupt(
                f"The ALS model to go on from is damaged: {error.what}",
                where=error.where,
                todo=f"Delete {folder}: the next fit then starts from the model before it, or from the seed.",
            ) from error
        if artifact.about(folder)["fingerprint"] == settings.fingerprint("als"):
            return day
    return None
