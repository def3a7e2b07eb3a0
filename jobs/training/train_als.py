"""Implicit ALS at two time scales."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

import numpy as np
from pyspark.sql import SparkSession
from scipy import sparse

from contracts import tables
from contracts.errors import ArtifactCorrupt, InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import lake
from jobs.ingest.flag_users import flagged
from jobs.paths import layout_of
from jobs.session import cores
from models import als, artifact, item_arrays
from models.ragged import lists, rows_of

MODELS: Final = ("als", "als_long")
WARM_DAYS: Final = 7
_PAIRS: Final = ("user_idx", "item_idx", "baskets", "weights")


def run(_: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The ALS artifact of a date: `als` on event weights halved every 60 days, `als_long` on log counts.

    The fit goes on from the newest artifact at most WARM_DAYS older, else starts from the seed. Flagged users shape no
    factors: theirs are folded in afterwards.

    Raises:
        InputMissing: histories, item arrays or traffic of that date are missing.
        InputInvalid: more pairs than `als.max_pairs`.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    matrices = _confidences(settings, layout, as_of)
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


def _confidences(settings: Settings, layout: Layout, as_of: dt.date) -> dict[str, sparse.csr_matrix]:
    items = item_arrays.load(layout.artifact("item_arrays", as_of))
    is_recommendable = np.asarray(items.is_recommendable)
    users, columns, weights, baskets = [], [], [], []
    n_users = n_pairs = 0
    for batch in lake.batches(layout, tables.HISTORIES, as_of, _PAIRS):
        offsets, item_idx = lists(batch.column("item_idx"))
        n_pairs += len(item_idx)
        if n_pairs > settings.als.max_pairs:
            raise InputInvalid(
                f"The pairs of users and items exceed als.max_pairs = {settings.als.max_pairs}.",
                where=str(layout.table(tables.HISTORIES)),
                todo="Raise als.max_pairs where the driver has 40 bytes of memory a pair.",
            )
        of_row = batch.column("user_idx").to_numpy()
        n_users = max(n_users, int(of_row.max(initial=-1)) + 1)
        weight = lists(batch.column("weights"))[1]
        usable = (item_idx < items.n_items) & (weight > 0)
        usable[usable] = is_recommendable[item_idx[usable]]
        users.append(of_row[rows_of(offsets)[usable]])
        columns.append(item_idx[usable])
        weights.append(weight[usable])
        baskets.append(lists(batch.column("baskets"))[1][usable])
    pairs = (np.concatenate(users), np.concatenate(columns))
    weight, n_baskets = np.concatenate(weights), np.concatenate(baskets)
    long_term = np.log1p(np.maximum(n_baskets, weight)).astype(np.float32)
    shape = (n_users, items.n_items)
    return {
        name: sparse.csr_matrix((of, pairs), shape=shape) for name, of in zip(MODELS, (weight, long_term), strict=True)
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
