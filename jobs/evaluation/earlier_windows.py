"""The windows before the newest one, measured too where that one has too few users to tell lists apart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from contracts.references_section import MAIN_REFERENCES
from contracts.settings import Settings
from jobs.evaluation.choosing import SIMPLEST_FIRST
from jobs.evaluation.measure import Measured
from models.contest import Contest
from models.measures import FULL, OURS, SOURCE, Key

NEWEST = "holdout"


def variant_of(position: int) -> str:
    """The name of the boosters that have not seen the window at a position from the newest, 0, on, nor later ones."""
    return f"{NEWEST}_{position}" if position else NEWEST


def held_out(examples: pa.Table, cuts: Sequence[dt.date], settings: Settings) -> list[dt.date]:
    """The cuts of the windows to hold out, newest first: the newest, and earlier ones until enough users are in them.

    Each leaves an older window to learn from that ends before it begins.

    Args:
        examples: `as_of` of the users that the windows teach of.
        cuts: of all windows, newest first.
        settings: `evaluation.min_users`, and the windows' length.
    """
    length = dt.timedelta(days=settings.ranker.window_days)
    counts = dict(
        zip(*np.unique(examples["as_of"].to_numpy().astype("datetime64[D]"), return_counts=True), strict=True)
    )
    chosen: list[dt.date] = []
    n_users = 0
    for position, cut in enumerate(cuts[:-1]):
        if chosen and (n_users >= settings.evaluation.min_users or cuts[position + 1] + length > cut):
            break
        chosen.append(cut)
        n_users += int(counts.get(np.datetime64(cut), 0))
    return chosen


def for_choice(settings: Settings) -> Settings:
    """The settings that measure an earlier window: beside the sources only the references that need no fit."""
    wanted = msgspec.structs.replace(settings.evaluation, references=MAIN_REFERENCES)
    return msgspec.structs.replace(settings, evaluation=wanted)


def contests(windows: Sequence[Measured], settings: Settings) -> dict[str, Contest]:
    """By placement, the sources and the two-stage lists over the users of all windows; sources by simplicity.

    Args:
        windows: what each was measured to be worth.
        settings: sources, placements, cutoff, resamples and seed.
    """
    rivals = [name for name in SIMPLEST_FIRST if name in settings.candidates.sources]
    metric = f"ndcg_{settings.evaluation.k}"
    made = {}
    for placement in settings.placements:
        wanted = [*(Key(FULL, placement, SOURCE + name, metric) for name in rivals), Key(FULL, placement, OURS, metric)]
        parts = [(one.user_idx, one.columns([one.keys.index(key) for key in wanted])) for one in windows]
        made[placement] = Contest((*rivals, OURS), parts, resamples=settings.evaluation.resamples, seed=settings.seed)
    return made
