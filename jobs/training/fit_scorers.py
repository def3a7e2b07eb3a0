"""What the scorers of a date are fitted to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.ingest.flag_users import flagged
from jobs.session import cores
from models import incidence
from models.item_arrays import ItemArrays
from models.ragged import AnyArray
from models.ranker import is_sampled
from models.references import ease as linear
from models.sources import ease


def arrays(settings: Settings, layout: Layout, items: ItemArrays, as_of: dt.date) -> dict[str, AnyArray]:
    """The arrays of the settings' scorers, by their names in the artifact `neighbours`; none where none is asked for.

    `ease` learns from the purchases of at most `candidates.ease_users` users, drawn by a hash; flagged users teach it
    nothing. Memory holds the model's Gram matrix and one batch of histories.
    """
    wanted = settings.candidates
    if "ease" not in wanted.scorers:
        return {}
    chosen = linear.most_bought(items.numbers["buyers"], np.asarray(items.is_recommendable), wanted.ease_items)
    with threadpool_limits(settings.threads or cores(), "blas"):
        together = linear.gram(
            (rows[:, chosen] for rows in _users(settings, layout, items.n_items, as_of)), len(chosen)
        )
        weights = linear.fit(together, wanted.ease_regularization, setting="candidates.ease_regularization")
    return ease.to_arrays(chosen, weights)


def _users(settings: Settings, layout: Layout, n_items: int, as_of: dt.date) -> Iterator[sparse.csr_matrix]:
    """The incidence matrix of each batch of the users who teach."""
    n_users = sum(batch.num_rows for batch in lake.batches(layout, tables.HISTORIES, as_of, ("user_idx",)))
    share = min(1.0, settings.candidates.ease_users / max(n_users, 1))
    left_out = flagged(layout, as_of)
    for batch in lake.batches(layout, tables.HISTORIES, as_of, incidence.COLUMNS):
        users = batch.column("user_idx").to_numpy().astype(np.int64)
        teach = is_sampled(users, share, settings.seed) & ~np.isin(users, left_out)
        yield incidence.matrix(batch, n_items)[np.flatnonzero(teach)]
