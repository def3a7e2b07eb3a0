"""The gates on what the holdout measured: success thresholds, fairness, and what is too good to be true."""

from __future__ import annotations

import datetime as dt

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.evaluation.fairness import fairness_gates
from jobs.evaluation.gates import Gate
from jobs.evaluation.point_in_time import features_in_time
from jobs.evaluation.suspicion_gates import suspicion_gates
from jobs.evaluation.thresholds import threshold_gates
from models.measures import Row


def holdout_gates(rows: list[Row], settings: Settings, layout: Layout, *, as_of: dt.date, known: dt.date) -> list[Gate]:
    """The gates of a night with a holdout.

    Args:
        rows: of the table `metrics`, of that night.
        settings: the limits.
        layout: of the root; `thresholds` and `fairness` of the night are there.
        as_of: the night.
        known: the day before the holdout.

    Raises:
        InputMissing: one of them is not.
    """
    return [
        *threshold_gates(lake.rows(layout, tables.THRESHOLDS, as_of), settings),
        *fairness_gates(lake.rows(layout, tables.FAIRNESS, as_of), settings),
        *suspicion_gates(rows, settings),
        *time_gates(settings, layout, [as_of, known]),
    ]


def time_gates(settings: Settings, layout: Layout, dates: list[dt.date]) -> list[Gate]:
    """The gate on stored features of these dates; none where no user is to be sampled."""
    n_users = settings.gates.suspicion.sampled_users
    return [features_in_time(layout, dates, n_users=n_users, seed=settings.seed)] if n_users else []
