"""Every metric of every system for a block of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from contracts.references_section import MAIN_REFERENCES
from models import metrics
from models.histories import Pairs
from models.metrics import Float64
from models.ragged import AnyArray, Int32, Int64
from models.rankings import Assortment, Ranking, Truth, is_in, keys_of
from models.references.base import Past, Reference
from models.references.filling import then_popular
from models.references.single import by_source_rank

FULL: Final = "full_catalogue"
WITHIN: Final = "candidate_set"
OURS: Final = "two_stage"
UNION: Final = "candidates"
MINUS: Final = f"{OURS}_minus_"
SOURCE: Final = "source_"  # before a source's name, as `popular` is a reference and a source


Row = dict[str, Any]  # one row of the table `metrics`, without `as_of`


def main_reference(*, repeats: bool) -> str:
    """The naive reference that a placement's lists are held against first: with repeats, or with new items only."""
    personal, popular = MAIN_REFERENCES
    return personal if repeats else popular


class Key(NamedTuple):
    """What one number is: protocol, placement, system, metric, and the users or items it is about, None for all."""

    protocol: str
    placement: str
    system: str
    metric: str
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        placements: name and whether items bought before count.
        sources: candidate sources in the order of their columns.
        k: cutoff of the headline metrics; NDCG is measured at 5 and 10 too.
        seed: of the negatives that are drawn.
        head_share: share of the assortment, most popular first, that is its head.
        categories: name and code of each item category whose recall is measured.
        references: names of the references, in the order of their rows.
    """

    placements: tuple[tuple[str, bool], ...]
    sources: tuple[str, ...]
    k: int
    seed: int = 0
    head_share: float = 0.2
    categories: tuple[tuple[str, int], ...] = ()
    references: tuple[str, ...] = ()

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Cutoffs of NDCG, ascending."""
        return tuple(sorted({5, 10, self.k}))

    @property
    def depth(self) -> int:
        """Places that any metric looks at."""
        return max(self.cutoffs)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of users and all that is known of them.

    Attributes:
        bought: pairs with a purchase before the cut.
        rows: user's row of each candidate, ascending.
        items: candidate items, ascending in a row.
        scores: score by source, shape (n_candidates, n_sources), NaN where it has none.
        ranks: rank by source from 1, the same shape, 0 where not proposed.
        lists: the system's list by placement.
        ranked: all that its ranker scored, by placement; the list where there is no more.
        truth: what was taken, by placement.
        n_rows: users.
        user_idx: shape (n_rows,); references ask for it.
        earlier: the lists of a week before, by placement.
    """

    bought: Pairs
    rows: Int64
    items: Int32
    scores: AnyArray
    ranks: AnyArray
    lists: dict[str, Ranking]
    ranked: dict[str, Ranking]
    truth: dict[str, Truth]
    n_rows: int
    user_idx: Int32 = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    earlier: dict[str, Ranking] = field(default_factory=dict)


class System(NamedTuple):
    """One system's lists under one protocol."""

    name: str
    top: Int32
    ranking: Ranking


def measure_block(
    block: Block, plan: Plan, assortment: Assortment, references: Mapping[str, Reference]
) -> tuple[dict[Key, Float64], dict[tuple[str, str], Int32]]:
    """Values by key, each shape (n_rows,), NaN where a user does not count; and lists by (placement, system).

    The keys and their order depend on the plan alone. The lists are those of the full assortment, shape (n_rows, k);
    those of references and single sources are filled up with popular items, as published ones are.

    Args:
        block: users.
        plan: what is measured.
        assortment: items that may be recommended.
        references: those of the plan, by name.
    """
    past = Past(block.user_idx, block.bought, block.earlier)
    values: dict[Key, Float64] = {}
    lists: dict[tuple[str, str], Int32] = {}
    for placement, repeats in plan.placements:
        truth = block.truth[placement]
        left_out = np.zeros(0, dtype=np.int64) if repeats else keys_of(block.bought.rows, block.bought.item_idx)
        alone = list(_single_sources(block, plan, left_out))
        served = [one._replace(top=then_popular(one.ranking, assortment, left_out, k=plan.depth)) for one in alone]
        for system in [*_systems(block, plan, assortment, (past, references), placement, left_out), *served]:
            key = Key(FULL, placement, system.name, "auc")
            values |= _accuracy(key, system, truth, plan)
            values[key] = metrics.auc_then_popular(system.ranking, truth, assortment, left_out)
            top = system.top[:, : plan.k]
            seen = metrics.novelty(top, assortment.popularity)
            values[key._replace(metric=f"novelty_{plan.k}")] = np.where(truth.counts > 0, seen, np.nan)
            lists[placement, system.name] = top
        values |= _ceilings(block, plan, placement, truth)
        values |= _within(block, plan, assortment, (past, references), placement, left_out, alone)
    return values, lists


def _systems(
    block: Block,
    plan: Plan,
    assortment: Assortment,
    opponents: tuple[Past, Mapping[str, Reference]],
    placement: str,
    left_out: Int64,
) -> Iterator[System]:
    k, (past, references) = plan.depth, opponents
    yield System(OURS, block.lists[placement].top(k), block.ranked[placement])
    for name in plan.references:
        ranking = references[name].rank(past, assortment, left_out, placement)
        yield System(name, then_popular(ranking, assortment, left_out, k=k), ranking)


def _single_sources(block: Block, plan: Plan, left_out: Int64) -> Iterator[System]:
    keep = ~is_in(keys_of(block.rows, block.items), left_out)
    rows, items = block.rows[keep], block.items[keep]
    for column, source in enumerate(plan.sources):
        ranking = by_source_rank(rows, items, block.ranks[keep, column], n_rows=block.n_rows)
        yield System(SOURCE + source, ranking.top(plan.depth), ranking)


def _accuracy(key: Key, system: System, truth: Truth, plan: Plan) -> dict[Key, Float64]:
    hits, n, k = metrics.hits_of(system.top, truth), truth.counts, plan.k
    values = {f"ndcg_{cutoff}": metrics.ndcg(hits, n, cutoff) for cutoff in plan.cutoffs}
    values[f"hit_rate_{k}"] = metrics.hit_rate(hits, n, k)
    if key.protocol == FULL:
        values[f"capped_recall_{k}"] = metrics.capped_recall(hits, n, k)
        values[f"recall_{k}"] = metrics.recall(hits, n, k)
        values[f"precision_{k}"] = metrics.precision(hits, n, k)
        values[f"map_{k}"] = metrics.average_precision(hits, n, k)
    return {key._replace(metric=name): value for name, value in values.items()}


def _within(
    block: Block,
    plan: Plan,
    assortment: Assortment,
    opponents: tuple[Past, Mapping[str, Reference]],
    placement: str,
    left_out: Int64,
    alone: list[System],
) -> dict[Key, Float64]:
    """Metrics where only the user's candidates exist: truth outside them does not count."""
    all_keys = keys_of(block.rows, block.items)
    keep = ~is_in(all_keys, left_out)
    rows, items, keys, n = block.rows[keep], block.items[keep], all_keys[keep], block.n_rows
    truth = block.truth[placement].within(keys)
    past, references = opponents
    naive = {name: references[name].order(past, assortment, rows, items, placement) for name in plan.references}
    ours, ranked = block.lists[placement], block.ranked[placement]
    ours, ranked = ours.where(is_in(ours.keys, keys)), ranked.where(is_in(ranked.keys, keys))
    systems = [
        System(OURS, ours.top(plan.depth), ranked),
        *[System(name, ranking.top(plan.depth), ranking) for name, ranking in naive.items()],
        *alone,
    ]
    n_candidates = np.bincount(rows, minlength=n).astype(np.int64)
    values: dict[Key, Float64] = {}
    for system in systems:
        key = Key(WITHIN, placement, system.name, "auc")
        values |= _accuracy(key, system, truth, plan)
        values[key] = metrics.auc_then_tied(system.ranking, truth, n_candidates)
    return values


def _ceilings(block: Block, plan: Plan, placement: str, truth: Truth) -> dict[Key, Float64]:
    """The share of the truth that each source proposed, and that no other did."""
    taken = is_in(keys_of(block.rows, block.items), truth.keys)
    rows, proposed = block.rows[taken], block.ranks[taken] > 0
    alone = proposed & (proposed.sum(axis=1, keepdims=True) == 1)

    def share(found: AnyArray) -> Float64:
        n_found = np.bincount(rows, weights=found, minlength=block.n_rows)
        return np.where(truth.counts > 0, n_found / np.maximum(truth.counts, 1), np.nan)

    values = {Key(FULL, placement, UNION, "recall_ceiling"): share(np.ones(len(rows)))}
    for column, source in enumerate(plan.sources):
        values[Key(FULL, placement, SOURCE + source, "recall_ceiling")] = share(proposed[:, column])
        values[Key(FULL, placement, SOURCE + source, "unique_share")] = share(alone[:, column])
    return values
