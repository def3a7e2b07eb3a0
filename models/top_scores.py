"""The highest dot products of each query, some items left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from models.ragged import Bool, Float32, Int32, Int64

_CELLS: Final = 1 << 21
_MIN_ROWS: Final = 32
_SAMPLE: Final = 2048


def top_scores(
    queries: Float32, items: Float32, left_rows: Int64, left_items: Int32, n: int
) -> tuple[Int64, Int32, Float32]:
    """Rows, items and scores of at least the `n` best items of each query, all of those that tie with the n-th.

    Exact: a sample of the items gives each query a threshold that about 1.5 n items pass; queries that fewer than n
    pass get the true n-th score instead. Scores are made a block at a time, so that memory does not grow with queries.

    Args:
        queries: shape (q, f).
        items: shape (m, f), m >= n >= 1.
        left_rows: query of each (query, item) left out, ascending.
        left_items: its item.
        n: wanted of each query; one with fewer items left gets all of them.

    Returns:
        Flat, ordered by row, then item; no item left out is among them.
    """
    rows, columns, scores = [], [], []
    for start, block in _blocks(queries, items, left_rows, left_items):
        row, column = np.divmod(np.flatnonzero(_passing(block, n)), len(items))
        found = block[row, column]
        allowed = found > -np.inf
        rows.append(row[allowed] + start)
        columns.append(column[allowed].astype(np.int32))
        scores.append(found[allowed])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(scores)


def _blocks(queries: Float32, items: Float32, left_rows: Int64, left_items: Int32) -> Iterator[tuple[int, Float32]]:
    """First row and scores of some queries, -inf where an item is left out; the next block overwrites them."""
    step = max(_MIN_ROWS, _CELLS // len(items))
    buffer = np.empty((min(step, len(queries)), len(items)), dtype=np.float32)
    bounds = np.searchsorted(left_rows, np.arange(0, len(queries) + step, step))
    for number, start in enumerate(range(0, len(queries), step)):
        part = queries[start : start + step]
        scores = np.matmul(part, items.T, out=buffer[: len(part)])
        left = slice(bounds[number], bounds[number + 1])
        scores[left_rows[left] - start, left_items[left]] = -np.inf
        yield start, scores


def _passing(scores: Float32, n: int) -> Bool:
    n_items = scores.shape[1]
    sample = scores[:, :: max(1, n_items // _SAMPLE)]
    width = sample.shape[1]
    wanted = min(width, int(1.5 * n * width / n_items) + 6)
    thresholds = np.partition(sample, width - wanted, axis=1)[:, width - wanted]
    passing = scores >= thresholds[:, None]
    few = np.flatnonzero(np.count_nonzero(passing, axis=1) < n)
    if len(few):
        exact = np.partition(scores[few], n_items - n, axis=1)[:, n_items - n]
        passing[few] = scores[few] >= exact[:, None]
    return passing
