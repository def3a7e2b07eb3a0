"""What lists are beside accurate: unexpected, varied, whole; and what they find of parts of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models import metrics
from models.measures import FULL, OURS, Block, Key, Plan
from models.metrics import Float64
from models.protocols import systems_of
from models.ragged import AnyArray, Bool, Float32, Int32
from models.rankings import Assortment, Truth, keys_of, no_ranking
from models.references.filling import then_popular

HEAD = "items:head"
TAIL = "items:tail"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is known of the items.

    Attributes:
        vectors: of unit length, shape (n_items, f); zeros for items that no model knows.
        groups: a mask by item index, by the group's name, in a fixed order.
    """

    vectors: Float32
    groups: dict[str, Bool]


def unit_vectors(vectors: Float32) -> Float32:
    """Each row divided by its length; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    out: Float32 = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=out, where=lengths > 0)
    return out


def shelf_of(assortment: Assortment, plan: Plan, vectors: Float32, categories: Int32) -> Shelf:
    """The head of the assortment, its tail, and the plan's categories.

    Args:
        assortment: items that may be recommended, and their popularity.
        plan: what counts as head, and which categories.
        vectors: of the items, shape (n, f), n at most the assortment's items.
        categories: code by item index.
    """
    n_head = int(np.ceil(plan.head_share * len(assortment.order)))
    head = np.zeros(assortment.n_items, dtype=bool)
    head[assortment.order[:n_head]] = True
    groups = {HEAD: head, TAIL: assortment.is_allowed & ~head}
    groups |= {name: categories == code for name, code in plan.categories}
    return Shelf(unit_vectors(vectors), groups)


def measure(block: Block, plan: Plan, assortment: Assortment, shelf: Shelf) -> dict[Key, Float64]:
    """Values by key over the full catalogue, each shape (n_rows,), NaN where a user does not count.

    `short`, `repeated` and `uncovered` are of our lists, 1 where the list has fewer than k items, one of them twice, or
    none at all. The keys and their order depend on the plan and on the names of the shelf's groups alone.
    """
    values: dict[Key, Float64] = {}
    bought = keys_of(block.bought.rows, block.bought.item_idx)
    for placement, repeats in plan.placements:
        truth = block.truth[placement]
        left_out = np.zeros(0, dtype=np.int64) if repeats else bought
        primitive = then_popular(no_ranking(block.n_rows), assortment, left_out, k=plan.k)
        for system, top in systems_of(block, plan, assortment, placement, left_out).items():
            key = Key(FULL, placement, system, "")
            found = {f"intra_list_diversity_{plan.k}": diversity(top, shelf.vectors)}
            found[f"serendipity_{plan.k}"] = serendipity(top, primitive, truth)
            counted = {name: np.where(truth.counts > 0, value, np.nan) for name, value in found.items()}
            values |= {key._replace(metric=name): value for name, value in counted.items()}
            for group, mask in shelf.groups.items():
                values[key._replace(metric=f"recall_{plan.k}", segment=group)] = _recall(top, truth, mask)
        key = Key(FULL, placement, OURS, "")
        values |= {key._replace(metric=name): value for name, value in faults(block, plan, placement).items()}
    return values


def diversity(top: Int32, vectors: Float32) -> Float64:
    """Mean cosine distance of the pairs of a list, NaN with fewer than two items.

    Source: Ziegler et al., 2005, "Improving recommendation lists through topic diversification".
    """
    filled = (top >= 0) & (top < len(vectors))
    chosen = np.zeros((*top.shape, vectors.shape[1]))
    chosen[filled] = vectors[top[filled]]
    n = filled.sum(axis=1)
    together = np.square(chosen.sum(axis=1)).sum(axis=1) - np.square(chosen).sum(axis=(1, 2))
    cosines = np.full(len(top), np.nan)
    np.divide(together, n * (n - 1), out=cosines, where=n > 1)
    return np.asarray(1 - cosines, dtype=np.float64)


def serendipity(top: Int32, primitive: Int32, truth: Truth) -> Float64:
    """Share of a list's places that hit with an item that the primitive list lacks.

    Source: Ge, Delgado-Battenfeld and Jannach, 2010, "Beyond accuracy".
    """
    expected = (top[:, :, None] == primitive[:, None, :]).any(axis=2)
    return np.asarray((metrics.hits_of(top, truth) & ~expected).sum(axis=1) / max(top.shape[1], 1))


def faults(block: Block, plan: Plan, placement: str) -> dict[str, Float64]:
    """`short`, `repeated` and `uncovered`, 1 or 0 a user, of the users who count."""
    shown = block.lists[placement]
    first = shown.positions < plan.k
    keys = shown.keys[first]
    distinct = np.bincount(np.unique(keys) >> 32, minlength=block.n_rows)
    n = np.bincount(shown.rows[first], minlength=block.n_rows)
    counts: dict[str, AnyArray] = {
        f"short_{plan.k}": n < plan.k,
        f"repeated_{plan.k}": distinct < n,
        "uncovered": n == 0,
    }
    is_counted = block.truth[placement].counts > 0
    return {name: np.where(is_counted, value.astype(np.float64), np.nan) for name, value in counts.items()}


def _recall(top: Int32, truth: Truth, mask: Bool) -> Float64:
    """Share of the truth inside the group that the list holds."""
    known = truth.items < len(mask)
    inside = truth.within(truth.keys[known][mask[truth.items[known]]])
    return metrics.recall(metrics.hits_of(top, inside), inside.counts, top.shape[1])
