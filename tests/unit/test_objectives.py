from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyversity import diversify
from pyversity.datatypes import Strategy

from models.item_arrays import ItemArrays
from models.objectives import Aims, Likeness, aims_of, engagement, likeness_of, margin_of, rerank, spread_of
from models.ragged import offsets_of
from models.rerank import Lists

NAN = float("nan")


def lists_of(*rows: list[tuple[int, float]]) -> Lists:
    """Lists of (item, score), best first; the reason is 10 plus the item."""
    items = np.array([item for row in rows for item, _ in row], dtype=np.int32)
    scores = np.array([score for row in rows for _, score in row], dtype=np.float32)
    at = np.repeat(np.arange(len(rows), dtype=np.int64), [len(row) for row in rows])
    return Lists(at, items, scores, items + 10)


def by_vectors(vectors: np.ndarray) -> Likeness:
    """The cosine of unit vectors alone."""
    n = len(vectors)
    return Likeness(vectors.astype(np.float32), np.ones(n, np.float32), np.zeros((n, 0), np.int32), 0.0)


def aims(likeness: Likeness, worth: list[float] | None = None, **weights: float) -> Aims:
    """Aims by these weights; the score falls by 1 over two places."""
    n = len(likeness.scales)
    return Aims(weights, np.array(worth or [0.0] * n, dtype=np.float32), likeness, 2)


NOTHING_ALIKE = by_vectors(np.eye(6))


def test_engagement_falls_from_one_to_nought_over_the_places() -> None:
    """The best has 1, the third 0 and the fourth less, at any level and spread of the scores; ties keep distances."""
    lists = lists_of([(0, 9.0), (1, 8.0), (2, 7.0), (3, 5.0)], [(0, -1.0), (1, -1.5)], [(0, 2.0), (1, 2.0), (2, 2.0)])
    found = engagement(lists, offsets_of(lists.rows, 3), 3)
    assert found.tolist() == [1.0, 0.5, 0.0, -1.0, 1.0, 0.0, 1.0, 1.0, 1.0]


def test_engagement_alone_changes_nothing() -> None:
    """With the other weights at nought the very same entries come back, equal scores in their old order too."""
    lists = lists_of([(3, 1.0), (1, 1.0), (2, 0.5)])
    assert rerank(lists, aims(NOTHING_ALIKE, engagement=1.0), 2) is lists


def test_worth_moves_an_item_up() -> None:
    """At equal weights an item half a span behind passes the best when its margin pays for it; scores stay its own."""
    lists = lists_of([(0, 4.0), (1, 3.0), (2, 2.0)])
    made = rerank(lists, aims(NOTHING_ALIKE, [0.0, 0.6, 0.0, 0.0, 0.0, 0.0], engagement=0.5, margin=0.5), 3)
    assert made.items.tolist() == [1, 0, 2]
    assert made.scores.tolist() == [3.0, 4.0, 2.0]
    assert made.reasons.tolist() == [11, 10, 12]


def test_a_twin_waits_behind_what_is_unlike_it() -> None:
    """Items 0 and 1 are the same thing: 2, nearly as engaging, comes between them; what is not picked is by value."""
    twins = by_vectors(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    lists = lists_of([(0, 4.0), (1, 3.0), (2, 2.9), (3, 2.0)])
    assert rerank(lists, aims(twins, engagement=0.5, diversity=0.5), 2).items.tolist() == [0, 2, 1, 3]
    assert rerank(lists, aims(twins, engagement=0.96, diversity=0.04), 2).items.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(30))
def test_the_order_is_that_of_another_implementation(seed: int) -> None:
    """The picks are those of pyversity's MMR on the same relevance and vectors, in a block of lists of many sizes."""
    random = np.random.default_rng(seed)
    vectors = random.normal(0.3, 1.0, (300, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sizes = random.integers(1, 120, 5)
    rows = [
        [(int(item), float(score)) for item, score in zip(random.choice(300, n, replace=False), scores, strict=True)]
        for n, scores in ((n, -np.sort(-random.random(n))) for n in sizes)
    ]
    weight, length = float(random.uniform(0.05, 0.95)), int(random.integers(1, 60))
    lists = lists_of(*rows)
    made = rerank(lists, aims(by_vectors(vectors), engagement=1 - weight, diversity=weight), length)
    relevance = engagement(lists, offsets_of(lists.rows, 5), 2)
    for row in range(5):
        here = lists.rows == row
        other = diversify(
            vectors[lists.items[here]].astype(np.float32), relevance[here].astype(np.float32), k=length,
            strategy=Strategy.MMR, diversity=weight,
        )  # fmt: skip
        assert made.items[made.rows == row][:length].tolist() == lists.items[here][other.indices].tolist()


ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.floats(-5, 5, width=32)), unique_by=lambda e: e[0], max_size=6),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.floats(0, 1), st.floats(0, 1), st.integers(1, 8), st.data())
def test_lists_keep_their_entries(
    rows: list[list[tuple[int, float]]], diversity: float, margin: float, length: int, data: Any
) -> None:
    """Whatever the weights, each list holds the entries it held, score and reason beside their item."""
    worth = data.draw(st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6))
    before = lists_of(*[sorted(row, key=lambda entry: -entry[1]) for row in rows])
    after = rerank(before, aims(NOTHING_ALIKE, worth, engagement=0.5, diversity=diversity, margin=margin), length)
    entries = [list(zip(x.rows, x.items, x.scores, x.reasons, strict=True)) for x in (before, after)]
    assert sorted(entries[0]) == sorted(entries[1])
    assert (np.diff(after.rows) >= 0).all()


def test_scores_far_below_a_narrow_top_stay_finite() -> None:
    """The two best differ by the least number there is; what no other number of such steps reaches keeps its order."""
    least = float(np.finfo(np.float32).smallest_subnormal)
    before = lists_of([(0, least), (1, 0.0), (2, -3.0), (3, -5.0)])
    assert engagement(before, offsets_of(before.rows, 1), 2).tolist() == [1.0, 0.0, -1e30, -1e30]
    after = rerank(before, aims(NOTHING_ALIKE, [0.0, 0.5, 0.0, 1.0, 0.0, 0.0], engagement=0.5, margin=0.5), 4)
    assert after.items.tolist() == [0, 1, 2, 3]


def test_margins_count_by_their_place_among_the_allowed() -> None:
    """A margin is worth the share of allowed items below it, equal ones half; unknown is the middle; none is no aim."""
    margins = np.array([0.1, 0.4, 0.4, NAN, 0.9], dtype=np.float32)
    allowed = np.array([True, True, True, True, False])
    found = margin_of(margins, allowed)
    assert found is not None
    assert found.tolist() == pytest.approx([1 / 6, 2 / 3, 2 / 3, 0.5, 1.0])
    assert margin_of(np.full(3, NAN, dtype=np.float32), np.ones(3, dtype=bool)) is None


def test_spread_falls_with_the_logarithm_of_the_reach() -> None:
    """The item most lists show has 0, one that none shows 1; twice the lists of everything changes nothing."""
    reach = np.array([0, 30, 10, 0], dtype=np.int64)
    expected = [1.0, 0.0, 1 - np.log(2) / np.log(4), 1.0]  # an average item is in 10 lists
    assert spread_of(reach, 4).tolist() == pytest.approx(expected, abs=1e-6)
    assert spread_of(2 * reach, 4).tolist() == spread_of(reach, 4).tolist()
    assert spread_of(np.zeros(2, dtype=np.int64), 2).tolist() == [1.0, 1.0]


def test_what_the_shop_does_not_know_gives_its_weight_away() -> None:
    """Without margins 0.60 and 0.25 stand as 12 and 5 of 17; with them they are shares of 1, and worth is summed."""
    weights = {"engagement": 0.6, "diversity": 0.25, "margin": 0.15, "spread": 0.0}
    poor = aims_of(weights, margin=None, spread=None, likeness=NOTHING_ALIKE, span_places=5)
    assert poor.weights == pytest.approx({"engagement": 12 / 17, "diversity": 5 / 17})
    assert not poor.worth.any()
    margin, spread = np.full(6, 0.5, np.float32), np.full(6, 1.0, np.float32)
    rich = aims_of({**weights, "spread": 1.0}, margin=margin, spread=spread, likeness=NOTHING_ALIKE, span_places=5)
    assert rich.weights == pytest.approx({"engagement": 0.3, "diversity": 0.125, "margin": 0.075, "spread": 0.5})
    assert rich.worth.tolist() == pytest.approx([0.0375 + 0.5] * 6)


def test_likeness_is_made_of_the_parts_that_the_shop_has(items: ItemArrays) -> None:
    """Half the cosine, half the category; a code that no item has is no part; without factors only the code counts."""
    factors = np.array([[2, 0], [0, 3], [4, 4], [0, 0]], dtype=np.float32)  # items 4 and 5 are newer than the model
    alike = likeness_of(items, factors, ("taste", "category", "brand"))
    assert alike.code_share == 0.5
    assert alike.codes[:, 0].tolist() == [0, 0, 1, 1, 0, -1]
    assert alike.scales.tolist() == pytest.approx([0.5**0.5 / 2, 0.5**0.5 / 3, 0.5**0.5 / 32**0.5, 0, 0, 0])
    # Similar to item 0 are 2 by half of 45 degrees (0.35) and 1 and 4 by the category (0.5); 5 not at all.
    lists = lists_of([(0, 9.0), (1, 1.0), (2, 1.0), (4, 1.0), (5, 1.0)])
    made = rerank(lists, aims(alike, engagement=0.01, diversity=0.99), 6)
    assert made.items.tolist() == [0, 5, 2, 1, 4]
