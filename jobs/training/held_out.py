"""The windows that boosters do not see, so that lists can be measured on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from contracts.settings import Settings

NEWEST: Final = "holdout"


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
