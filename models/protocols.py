"""The same ranking under the protocols that the field's numbers are told in, each by its own name.

With negatives sampled in place of the catalogue the same lists score far higher, and systems may change places
(Krichene and Rendle, 2020, "On sampled metrics for item recommendation"): such numbers are for comparison with others
of their name alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models import metrics
from models.measures import FULL, OURS, WITHIN, Block, Key, Plan
from models.metrics import Float64
from models.negatives import of_candidates, of_catalogue
from models.ragged import Bool, Int32, Int64, first_of_run
from models.rankings import Assortment, Ranking, Truth, is_in, keys_of, no_ranking
from models.references.filling import then_popular
from models.references.frequency import own_by_frequency

OWN: Final = "own_candidates"
NEW: Final = "new_candidates"
HARD: Final = "positive_99_hard"
UNIFORM: Final = "positive_99_uniform"
ALL_UNIFORM: Final = "positives_99_uniform"
PROTOCOLS: Final = (FULL, WITHIN, OWN, NEW, HARD, UNIFORM, ALL_UNIFORM)
SHORT: Final = 5  # places of NDCG under the protocols with sampled negatives
LONG: Final = 10  # places of the hit rate
_LAST: Final = -1e18  # below every item of the catalogue, above an empty place


@dataclass(frozen=True, slots=True)
class Order:
    """Every item of the catalogue in one system's order: its ranking, then the others by popularity.

    Attributes:
        keys: sorted keys of what is ranked.
        places: place in its ranking, parallel to `keys`.
        by_popularity: place among the catalogue's items, by item index; those that may not be recommended come last.
    """

    keys: Int64
    places: Int64
    by_popularity: Int64

    def scores(self, rows: Int64, items: Int64) -> Float64:
        """A number for each (row, item), higher for what comes first, the same for items that may not be recommended.

        Of two items that may be recommended to one row none has the same.
        """
        known = (items >= 0) & (items < len(self.by_popularity))
        scores = np.full(len(items), _LAST)
        scores[known] = -1.0 - self.by_popularity[items[known]]
        scores[known & (scores <= -1.0 - len(self.by_popularity))] = _LAST
        if len(self.keys):
            wanted = keys_of(rows, np.where(known, items, 0))
            at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            ranked = known & (self.keys[at] == wanted)
            scores[ranked] = 1e9 - self.places[at[ranked]]
        return scores


def order_of(ranking: Ranking, assortment: Assortment) -> Order:
    """The order of a ranking; what follows it is ordered by popularity, then lower index."""
    keys = ranking.keys
    sorting = np.argsort(keys)
    by_popularity = np.full(assortment.n_items, assortment.n_items, dtype=np.int64)
    by_popularity[assortment.order] = np.arange(len(assortment.order))
    return Order(keys[sorting], ranking.positions[sorting], by_popularity)


def measure(block: Block, plan: Plan, assortment: Assortment, user_idx: Int32) -> dict[Key, Float64]:
    """Values by key, each shape (n_rows,), NaN where a user does not count; our lists beside the references.

    The keys and their order depend on the plan alone.

    Args:
        block: users and what is known of them.
        plan: its placements, and the seed of the negatives.
        assortment: items that may be recommended.
        user_idx: of each row, for the hash that draws the negatives.
    """
    values: dict[Key, Float64] = {}
    bought = keys_of(block.bought.rows, block.bought.item_idx)
    for placement, repeats in plan.placements:
        left_out = np.zeros(0, dtype=np.int64) if repeats else bought
        rankings = _rankings(block, assortment, placement, left_out)
        values |= _sampled(block, plan, assortment, placement, left_out, user_idx, rankings)
        if repeats:
            values |= _parts(block, placement, bought, rankings)
    return values


def systems_of(block: Block, plan: Plan, assortment: Assortment, placement: str, left_out: Int64) -> dict[str, Int32]:
    """Our list and the references', shape (n_rows, k) each, by system."""
    rankings = _rankings(block, assortment, placement, left_out)
    tops = {
        system: then_popular(ranking, assortment, left_out, k=plan.k)
        for system, ranking in rankings.items()
        if system != OURS
    }
    return {OURS: block.lists[placement].top(plan.k), **tops}


def _rankings(block: Block, assortment: Assortment, placement: str, left_out: Int64) -> dict[str, Ranking]:
    own = own_by_frequency(block.bought, assortment, n_rows=block.n_rows)
    return {
        OURS: block.ranked[placement],
        "personal_then_popular": own.where(~is_in(own.keys, left_out)),
        "popular": no_ranking(block.n_rows),
    }


def _parts(block: Block, placement: str, bought: Int64, rankings: dict[str, Ranking]) -> dict[Key, Float64]:
    """Our ranking among a user's own candidates alone, and among the new ones alone."""
    keys = keys_of(block.rows, block.items)
    is_own = is_in(keys, bought)
    values: dict[Key, Float64] = {}
    for protocol, chosen in ((OWN, is_own), (NEW, ~is_own)):
        truth = block.truth[placement].within(keys[chosen])
        n_items = np.bincount(block.rows[chosen], minlength=block.n_rows).astype(np.int64)
        ranked = rankings[OURS].where(is_in(rankings[OURS].keys, keys[chosen]))
        hits = metrics.hits_of(ranked.top(SHORT), truth)
        key = Key(protocol, placement, OURS, f"ndcg_{SHORT}")
        values[key] = metrics.ndcg(hits, truth.counts, SHORT)
        values[key._replace(metric="auc")] = metrics.auc_then_tied(ranked, truth, n_items)
    return values


def _sampled(
    block: Block,
    plan: Plan,
    assortment: Assortment,
    placement: str,
    left_out: Int64,
    user_idx: Int32,
    rankings: dict[str, Ranking],
) -> dict[Key, Float64]:
    truth, n = block.truth[placement], block.n_rows
    all_keys = keys_of(block.rows, block.items)
    candidates = all_keys[~is_in(all_keys, left_out)]
    inside = truth.within(candidates)
    drawn = {
        HARD: (inside, of_candidates(candidates, truth, user_idx, seed=plan.seed)),
        UNIFORM: (truth, of_catalogue(assortment, truth, left_out, user_idx, seed=plan.seed)),
    }
    values: dict[Key, Float64] = {}
    for system, ranking in rankings.items():
        order = order_of(ranking, assortment)
        for protocol, (positives, negatives) in drawn.items():
            scores = order.scores(positives.rows, positives.items)
            held = _scores_of(order, negatives)
            above = (held[positives.rows] > scores[:, None]).sum(axis=1)
            n_held = (negatives >= 0).sum(axis=1)
            key = Key(protocol, placement, system, "auc")
            values |= _each_alone(key, above, positives, n_held)
            if protocol == UNIFORM:
                together = key._replace(protocol=ALL_UNIFORM, metric=f"ndcg_{SHORT}")
                values[together] = _together(above, scores, positives, n)
    return values


def _scores_of(order: Order, items: Int32) -> Float64:
    """Scores of a matrix of items, -inf where a place is empty."""
    rows = np.broadcast_to(np.arange(len(items))[:, None], items.shape)
    scores = order.scores(rows.ravel().astype(np.int64), items.ravel().astype(np.int64))
    scores[items.ravel() < 0] = -np.inf
    return np.asarray(scores.reshape(items.shape))


def _each_alone(key: Key, above: Int64, positives: Truth, n_held: Int64) -> dict[Key, Float64]:
    """Means over a user's positives, each alone among the negatives; one that no system can know is last."""
    held = n_held[positives.rows]
    of_positive = {
        f"ndcg_{SHORT}": np.where(above < SHORT, 1 / np.log2(above + 2), 0.0),
        f"hit_rate_{LONG}": (above < LONG).astype(np.float64),
        "auc": 1 - above / np.maximum(held, 1),
    }
    values = {}
    for metric, numbers in of_positive.items():
        summed = np.bincount(positives.rows, weights=numbers, minlength=len(n_held))
        is_known = (positives.counts > 0) & (n_held > 0)
        values[key._replace(metric=metric)] = np.where(is_known, summed / np.maximum(positives.counts, 1), np.nan)
    return values


def _together(above: Int64, scores: Float64, positives: Truth, n_rows: int) -> Float64:
    """NDCG at 5 of all of a user's positives among the negatives."""
    order = np.lexsort((-scores, positives.rows))
    rows = positives.rows[order]
    first = first_of_run(rows)
    places = above[order] + np.arange(len(rows)) - first
    counted = (places < SHORT) & (scores[order] > _LAST)
    hits: Bool = np.zeros((n_rows, SHORT), dtype=bool)
    hits[rows[counted], places[counted]] = True
    return metrics.ndcg(hits, positives.counts, SHORT)
