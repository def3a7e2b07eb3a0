"""Item-item similarities: co-visited in baskets, alike in content, of one category."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender
from scipy import sparse

from models import artifact
from models.item_arrays import ItemArrays
from models.ragged import AnyArray, Bool, Float32, Int32, Int64

KINDS: Final = ("covisit", "content", "category")
_WORD: Final = re.compile(r"\w{2,}", re.UNICODE)
_MAX_TOKEN_SHARE: Final = 0.1
_MIN_FREQUENT: Final = 100


def covisit(baskets: sparse.csr_matrix, n: int, *, threads: int) -> sparse.csr_matrix:
    """Cosine of items over baskets: the `n` nearest of each item, itself left out.

    Args:
        baskets: shape (n_baskets, n_items), 1 where the basket holds the item.
    """
    return _cosine(baskets, n, threads)


def content(texts: Iterable[str], usable: Bool, n: int, *, threads: int) -> sparse.csr_matrix:
    """Cosine of TF-IDF vectors of the items' words: the `n` nearest usable items of each.

    Words that more than a tenth of the items share are left out.

    Args:
        texts: one text an item, by item index.
        usable: items that may be neighbours or have some.
    """
    words: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for item, text in enumerate(texts):
        if usable[item]:
            for word in _WORD.findall(text.casefold()):
                rows.append(words.setdefault(word, len(words)))
                columns.append(item)
    shape = (max(len(words), 1), len(usable))
    counts = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    shares = np.diff(counts.indptr)
    idf = np.log((1 + len(usable)) / (1 + shares)).astype(np.float32)
    idf[shares > max(_MAX_TOKEN_SHARE * len(usable), _MIN_FREQUENT)] = 0
    return _cosine(sparse.diags(idf).dot(counts).tocsr(), n, threads)


def category(items: ItemArrays, usable: Bool, n: int) -> sparse.csr_matrix:
    """The `n` items of an item's category with the most buyers in 84 days, valued by their share of its buyers.

    The finest attribute that the shop keeps is taken: category, else department, else brand.
    """
    codes = next((c for c in items.codes.values() if (c >= 0).any()), np.full(items.n_items, -1, np.int32))
    buyers = np.where(usable, np.nan_to_num(items.numbers["buyers_84"]), 0).astype(np.float64)
    n_codes = int(codes.max(initial=-1)) + 1
    total = np.bincount(codes[codes >= 0], weights=buyers[codes >= 0], minlength=n_codes)
    order = np.lexsort((np.arange(len(codes)), -buyers, codes))
    order = order[(codes[order] >= 0) & (buyers[order] > 0)]
    first = np.searchsorted(codes[order], codes[order], side="left")
    top = order[np.arange(len(order)) - first < n]
    shares = (buyers[top] / total[codes[top]]).astype(np.float32)
    member = sparse.csr_matrix(
        (np.ones(np.count_nonzero(codes >= 0), np.float32), (np.flatnonzero(codes >= 0), codes[codes >= 0])),
        shape=(items.n_items, max(n_codes, 1)),
    )
    best = sparse.csr_matrix((shares, (codes[top], top)), shape=(max(n_codes, 1), items.n_items))
    return _without_diagonal((member @ best).tocsr())


def basket_matrix(rows: Int64, items: Int32, n_items: int) -> sparse.csr_matrix:
    """Baskets by items, from one entry a (basket, item); `rows` are any basket keys."""
    _, codes = np.unique(rows, return_inverse=True)
    ones = np.ones(len(items), dtype=np.float32)
    return sparse.csr_matrix((ones, (codes, items)), shape=(int(codes.max(initial=-1)) + 1, n_items))


def save(
    folder: Path,
    matrices: dict[str, sparse.csr_matrix],
    popularity: Float32,
    segments: str,
    *,
    scorers: dict[str, AnyArray],
    about: dict[str, Any],
) -> str:
    """Writes similarities, segment popularity and the arrays of scorers as one artifact; returns its SHA-256."""
    arrays: dict[str, Any] = {"segment_buyers": popularity, **scorers}
    for name, matrix in matrices.items():
        arrays |= {f"{name}_indptr": matrix.indptr.astype(np.int64), f"{name}_indices": matrix.indices.astype(np.int32)}
        arrays[f"{name}_data"] = matrix.data.astype(np.float32)
    return artifact.save(folder, arrays=arrays, texts={"segments.json": segments}, about=about)


def load(folder: Path, name: str, n_items: int) -> sparse.csr_matrix:
    """One similarity matrix of an artifact, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    parts = tuple(artifact.array(folder, f"{name}_{part}") for part in ("data", "indices", "indptr"))
    return sparse.csr_matrix(parts, shape=(n_items, n_items), copy=False)


def _cosine(rows_by_items: sparse.csr_matrix, n: int, threads: int) -> sparse.csr_matrix:
    if rows_by_items.nnz == 0:
        nothing: sparse.csr_matrix = (rows_by_items.T @ rows_by_items).tocsr().astype(np.float32)
        return nothing
    model = ItemItemRecommender(K=n + 1, num_threads=threads)
    norms = np.sqrt(np.asarray(rows_by_items.power(2).sum(axis=0)).ravel())
    unit = rows_by_items @ sparse.diags((1 / np.maximum(norms, 1e-12)).astype(np.float32))
    model.fit(unit.tocsr().astype(np.float64), show_progress=False)
    return _without_diagonal(model.similarity)


def _without_diagonal(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    entries = matrix.tocoo()
    kept = (entries.row != entries.col) & (entries.data > 0)
    cleaned = sparse.csr_matrix(
        (entries.data[kept].astype(np.float32), (entries.row[kept], entries.col[kept])), shape=matrix.shape
    )
    cleaned.sort_indices()
    return cleaned
