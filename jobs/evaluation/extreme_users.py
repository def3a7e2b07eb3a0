"""The table `extreme_users`: whom the lists of the newest past window served best, and whom worst."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, Literal

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts import tables
from contracts.layout import Layout
from jobs import lake
from jobs.evaluation.measure import Measured
from jobs.kernels import measuring
from models.measures import FULL, OURS, Key, Row
from models.metrics import Float64
from models.ragged import Int32, Int64
from models.ragged import lists as flat

EACH: Final = 10
"""Users of each side and placement."""
MAX_TAKEN: Final = 50
Side = Literal["best", "worst"]


def rows_of(measured: Measured, truth: DataFrame, layout: Layout) -> list[Row]:
    """Rows of the table without `as_of`; none where no user counts.

    Args:
        measured: what each user's lists are worth.
        truth: the result of `features.holdout.truth`, of those users or more; only the chosen ones are fetched.
        layout: of the root, for the users' ids.
    """
    if not measured.n_users:
        return []
    plan, keys = measured.plan, measured.keys
    metric = f"ndcg_{plan.k}"
    sizes = _sizes(truth, measured.user_idx)
    chosen: list[tuple[str, bool, Side, Int64, Float64]] = []
    for placement, repeats in plan.placements:
        values = measured.columns([keys.index(Key(FULL, placement, OURS, metric))])[:, 0]
        n_taken = sizes["all" if repeats else "new"]
        for side, rows in extremes(values, n_taken, EACH).items():
            chosen.append((placement, repeats, side, rows, values))
    taken = _taken(truth, measured.user_idx, np.unique(np.concatenate([rows for *_, rows, _ in chosen])))
    ids = _ids(layout, list(taken))
    made = []
    for placement, repeats, side, rows, values in chosen:
        tops = _tops(measured, placement)
        for place, row in enumerate(rows.tolist(), start=1):
            user = int(measured.user_idx[row])
            bought = taken[user]["truth_all" if repeats else "truth_new"]
            listed = [item for item in tops[row].tolist() if item >= 0]
            made.append(
                {
                    "cut": measured.kitchen.as_of + dt.timedelta(days=1), "placement": placement, "side": side,
                    "place": place, "user_idx": user, "user_id": ids[user], "metric": metric,
                    "value": float(values[row]), "n_baskets": measured.table["n_baskets"][row].as_py() or 0,
                    "n_taken": len(bought), "listed": listed, "taken": listed_first(bought, listed)[:MAX_TAKEN],
                }
            )  # fmt: skip
    return made


def extremes(values: Float64, n_taken: Int64, n: int) -> dict[Side, Int64]:
    """Rows of the `n` users with the highest and with the lowest value, most extreme first; nobody is on both sides.

    Ties are broken by who bought more, then by lower row: a full hit of one item says little, and so does a miss of
    one. Users with NaN do not count. Of fewer than 2 n users each side has half.

    Args:
        values: by row, NaN where the user does not count.
        n_taken: items bought, by row.
        n: users of a side.
    """
    rows = np.flatnonzero(~np.isnan(values))
    best = rows[np.lexsort((rows, -n_taken[rows], -values[rows]))]
    worst = rows[np.lexsort((rows, -n_taken[rows], values[rows]))]
    each = min(n, len(rows) // 2)
    top = best[: min(n, len(rows) - each)]
    return {"best": top, "worst": worst[~np.isin(worst, top)][:each]}


def listed_first(bought: list[int], listed: list[int]) -> list[int]:
    """What was bought: first what was listed, in the list's order, then the rest by item index."""
    hits = [item for item in listed if item in set(bought)]
    return [*hits, *sorted(set(bought) - set(hits))]


def _sizes(truth: DataFrame, users: Int32) -> dict[str, Int64]:
    counted = truth.select("user_idx", F.size("truth_all").alias("all"), F.size("truth_new").alias("new")).toArrow()
    known = counted["user_idx"].to_numpy()
    order = np.argsort(known)
    at = order[np.searchsorted(known[order], users)]
    return {name: counted[name].to_numpy()[at].astype(np.int64) for name in ("all", "new")}


def _taken(truth: DataFrame, users: Int32, rows: Int64) -> dict[int, dict[str, Any]]:
    wanted = [int(user) for user in users[rows]]
    return {row["user_idx"]: row.asDict() for row in truth.where(F.col("user_idx").isin(wanted)).collect()}


def _tops(measured: Measured, placement: str) -> Int32:
    """The first k items of our lists of a placement, shape (n_users, k), empty places -1."""
    lists = measuring.keys(measured.plan)[1]
    tops = flat(measured.table["tops"])[1].reshape(measured.n_users, len(lists), measured.plan.k)
    found: Int32 = tops[:, lists.index((placement, OURS))]
    return found


def _ids(layout: Layout, users: list[int]) -> dict[int, str]:
    rows = lake.where(layout, tables.USER_VOCABULARY, "user_idx", users)
    return dict(zip(rows["user_idx"].to_pylist(), rows["user_id"].to_pylist(), strict=True))
