"""The highest dot products of each query, some items left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ragged import Float32, Int32, Int64

_TILE_ITEMS: Final = 1024
_ROUNDING: Final = np.float32(1 + 1e-5)


@dataclass(slots=True)
class _Best:
    """The best scores of each query so far.

    Attributes:
        scores: the n best, in no order, shape (q, n); -inf where there are fewer.
        least: the lowest of them.
    """

    scores: Float32
    least: Float32

    def take(self, rows: Int64, tile: Float32) -> None:
        """Takes the scores of more items into account."""
        n = self.scores.shape[1]
        joined = np.concatenate([self.scores[rows], tile], axis=1)
        joined.partition(joined.shape[1] - n, axis=1)
        self.scores[rows] = joined[:, -n:]
        self.least[rows] = joined[:, -n]


def top_scores(
    queries: Float32, items: Float32, left_rows: Int64, left_items: Int32, n: int
) -> tuple[Int64, Int32, Float32]:
    """Rows, items and scores of at least the `n` best items of each query, all of those that tie with the n-th.

    Exact. A score is at most the product of the two norms: once that falls under a query's n-th best score so far, the
    rest of the items is not multiplied with it. Where items come by falling norm, and norms are skewed as fitted ones
    are, that spares most of the work.

    Args:
        queries: shape (q, f).
        items: shape (m, f), m >= n >= 1; the largest norms first, else nothing is spared.
        left_rows: query of each (query, item) left out.
        left_items: its item.
        n: wanted of each query; one with fewer items left gets all of them.

    Returns:
        Flat, in no order; no item left out is among them.
    """
    best = _Best(np.full((len(queries), n), -np.inf, np.float32), np.full(len(queries), -np.inf, np.float32))
    reach = np.maximum.accumulate(np.linalg.norm(items, axis=1)[::-1])[::-1] * _ROUNDING
    norms = np.linalg.norm(queries, axis=1)
    left = np.sort(left_items.astype(np.int64) * len(queries) + left_rows)
    out_items, out_rows = np.divmod(left, len(queries))
    bounds = np.searchsorted(out_items, np.arange(0, len(items) + _TILE_ITEMS, _TILE_ITEMS))
    found: list[tuple[Int64, Int32, Float32]] = []
    rows = np.arange(len(queries))
    for number, start in enumerate(range(0, len(items), _TILE_ITEMS)):
        rows = rows[norms[rows] * reach[start] >= best.least[rows]]
        if not len(rows):
            break
        tile = queries[rows] @ items[start : start + _TILE_ITEMS].T
        part = slice(bounds[number], bounds[number + 1])
        _leave_out(tile, rows, out_rows[part], out_items[part] - start)
        best.take(rows, tile)
        found.append(_passing(tile, rows, best.least[rows], start))
    return _still_passing(found, best.least)


def _leave_out(tile: Float32, rows: Int64, left_rows: Int64, left_columns: Int64) -> None:
    at = np.minimum(np.searchsorted(rows, left_rows), len(rows) - 1)
    there = rows[at] == left_rows
    tile[at[there], left_columns[there]] = -np.inf


def _passing(tile: Float32, rows: Int64, least: Float32, start: int) -> tuple[Int64, Int32, Float32]:
    row, column = np.divmod(np.flatnonzero(tile >= least[:, None]), tile.shape[1])
    return rows[row], (column + start).astype(np.int32), tile[row, column]


def _still_passing(found: list[tuple[Int64, Int32, Float32]], least: Float32) -> tuple[Int64, Int32, Float32]:
    rows, items, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = (scores >= least[rows]) & (scores > -np.inf)
    return rows[kept], items[kept], scores[kept]
