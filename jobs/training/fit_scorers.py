"""What the scorers of a date are fitted to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.ingest.flag_users import flagged
from jobs.session import cores
from models import incidence
from models.item_arrays import ItemArrays
from models.ragged import AnyArray, lists, rows_of
from models.ranker import is_sampled
from models.references import ease as linear
from models.sources import alike, ease

_OF_PROFILES: Final = ("decayed_baskets", "last_days")


def arrays(settings: Settings, layout: Layout, items: ItemArrays, as_of: dt.date) -> dict[str, AnyArray]:
    """The arrays of the settings' scorers, by their names in the artifact `neighbours`; none where none is asked for.

    Each learns from the users of the histories as of that date, or of so many as the settings let it, drawn by a hash;
    flagged users teach nothing. Memory holds the arrays, the Gram matrix of `ease` and one batch of histories.
    """
    learner = _Learner(settings, layout, items, as_of)
    made: dict[str, AnyArray] = {}
    if "ease" in settings.candidates.scorers:
        made |= learner.ease()
    if "alike" in settings.candidates.scorers:
        made |= learner.alike()
    return made


class _Learner:
    """Fits of one date."""

    def __init__(self, settings: Settings, layout: Layout, items: ItemArrays, as_of: dt.date) -> None:
        self._settings, self._layout, self._items, self._as_of = settings, layout, items, as_of

    def ease(self) -> dict[str, AnyArray]:
        """Weights between the most bought items."""
        wanted, items = self._settings.candidates, self._items
        chosen = linear.most_bought(items.numbers["buyers"], np.asarray(items.is_recommendable), wanted.ease_items)
        batches = self._batches(incidence.COLUMNS, wanted.ease_users)
        with threadpool_limits(self._settings.threads or cores(), "blas"):
            bought = (incidence.matrix(batch, items.n_items)[:, chosen] for batch in batches)
            together = linear.gram(bought, len(chosen))
            weights = linear.fit(together, wanted.ease_regularization, setting="candidates.ease_regularization")
        return ease.to_arrays(chosen, weights)

    def alike(self) -> dict[str, AnyArray]:
        """Profiles and late purchases of a pool of users."""
        n_items, since = self._items.n_items, day_number(self._as_of) - alike.RECENT_DAYS
        found = [
            _pairs(batch, n_items)
            for batch in self._batches((*incidence.COLUMNS, *_OF_PROFILES), self._settings.candidates.alike_users)
        ]
        users, items, baskets, last_days = (np.concatenate(parts) for parts in zip(*found, strict=True))
        pool, rows = np.unique(users, return_inverse=True)
        shape = (len(pool), n_items)
        rarity = alike.rarity_of(self._items.numbers["buyers"], self._n_users())
        profiles = alike.profiles_of(rows, items, baskets, rarity, shape)
        late = last_days > since
        ones = np.ones(np.count_nonzero(late), dtype=np.float32)
        recent = sparse.csr_matrix((ones, (rows[late], items[late])), shape=shape)
        return alike.to_arrays(profiles, recent, pool.astype(np.int32), rarity)

    def _batches(self, columns: tuple[str, ...], n_users: int) -> Iterator[pa.RecordBatch]:
        """The histories of the users who teach, at most about `n_users`."""
        share = min(1.0, n_users / max(self._n_users(), 1))
        left_out = flagged(self._layout, self._as_of)
        for batch in lake.batches(self._layout, tables.HISTORIES, self._as_of, columns):
            users = batch.column("user_idx").to_numpy().astype(np.int64)
            teach = is_sampled(users, share, self._settings.seed) & ~np.isin(users, left_out)
            yield batch.filter(pa.array(teach))

    def _n_users(self) -> int:
        return lake.n_rows(self._layout, tables.HISTORIES, self._as_of)


def _pairs(batch: pa.RecordBatch, n_items: int) -> tuple[Any, ...]:
    """User, item, decayed baskets and last day of each pair that stands."""
    offsets, items = lists(batch.column("item_idx"))
    kept = incidence.stands(batch, n_items)
    users = batch.column("user_idx").to_numpy()[rows_of(offsets)]
    return (users[kept], items[kept], *(lists(batch.column(name))[1][kept] for name in _OF_PROFILES))
