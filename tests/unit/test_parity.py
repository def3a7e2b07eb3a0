from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import VocabularyMismatch
from contracts.settings import Exploration, Placement
from jobs.kernels.single_source import ranked_batch
from models import exploration, exposure, ranking_features
from models import stages as kernel_stages
from models.parity import alike, factors, features, linear, stages
from models.parity.comparing import Compared, Difference, Found, compare
from models.parity.exploring import exploring
from models.parity.inputs import Entry, Person, Shop
from models.parity.ruling import ruling
from models.parity.stages import PlainContext
from models.rerank import Lists
from tests.unit.parity_shop import N_NEAREST, N_USERS, REASONS, SCORERS, SOURCES, RandomShop, shifted

PLACEMENTS = [
    Placement(repeats=True, length=10),
    Placement(repeats=False, length=10),
    Placement(repeats=True, length=12, max_per_category=2),
    Placement(repeats=False, length=3, max_per_category=1),
    Placement(repeats=True, length=10, objectives={"spread": 0.4, "margin": 0.0}),
    Placement(repeats=True, length=10, objectives={"diversity": 0.0}),
    Placement(repeats=True, length=10, objectives={"diversity": 0.0, "margin": 0.0}),
]


@pytest.fixture(scope="module")
def night() -> RandomShop:
    """Forty users of a shop of sixty items."""
    return RandomShop(7)


def again(
    night: RandomShop, person: Person, placement: Placement, booster: lgb.Booster
) -> tuple[list[Entry], list[Entry]]:
    """What the second path scores for a user, and the list it makes of it."""
    shop = night.shop
    context = PlainContext(
        person,
        shop,
        placement,
        placement.repeats,
        night.exploring,
        night.ordering(placement),
        ruling(night.shelf, "home"),
    )
    ranked = [at for at, item in enumerate(person.items.tolist()) if stages.is_ranked(item, context)]
    matrix = features.matrix(person, shop, booster.feature_name())[ranked]
    scores = booster.predict(matrix, raw_score=True).astype(np.float32) if ranked else np.zeros(0)
    entries = stages.scored(context, ranked, scores.tolist())
    return entries, stages.list_of(entries, context)


def found(lists: Lists, shop: Shop) -> Found:
    """A list of the kernels as a reader shows it."""
    return Found(
        items=[str(shop.item_ids[item]) for item in lists.items], scores=lists.scores.tolist(),
        sources=[REASONS[reason] for reason in lists.reasons],
    )  # fmt: skip


def differing(
    night: RandomShop, lists: list[Lists], booster: lgb.Booster, *, shown: Shop | None = None
) -> list[Difference]:
    """All differences of the first placement's lists, each user's first."""
    first = []
    for person, one in zip(night.people, lists, strict=True):
        entries, made = again(night, person, PLACEMENTS[0], booster)
        known = {str(night.shop.item_ids[entry.item]): entry.score for entry in (*entries, *made)}
        result = compare(person.user_id, "home", made, found(one, shown or night.shop), night.shop, known)
        first += result.differences[:1]
    return first


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_features_are_those_of_the_kernel_bit_by_bit(seed: int) -> None:
    """Every column of every candidate, what is unknown included, under the name that the kernel gives it."""
    night = RandomShop(seed)
    names = ranking_features.names(SOURCES, SCORERS)
    made = np.concatenate([features.matrix(person, night.shop, names) for person in night.people])
    for position, name in enumerate(names):
        np.testing.assert_array_equal(made[:, position], night.features[:, position], err_msg=name)


@pytest.mark.parametrize("has_rules", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_lists_are_those_of_the_kernels(placement: Placement, has_rules: bool) -> None:  # noqa: FBT001
    """The same items in the same order with the same scores and reasons, with a rule of every kind and without."""
    night = RandomShop(7, has_rules)
    booster = night.booster()
    for person, lists in zip(night.people, night.made(placement, booster), strict=True):
        _, made = again(night, person, placement, booster)
        assert [entry.item for entry in made] == lists.items.tolist()
        assert [np.float32(entry.score) for entry in made] == lists.scores.tolist()
        assert [entry.reason for entry in made] == lists.reasons.tolist()


def test_the_lists_of_a_source_are_those_of_the_kernel(night: RandomShop) -> None:
    """What it proposed in its order, ties by the lower index, where a source's lists are published."""
    source = SOURCES.index("popular")
    batch = pa.RecordBatch.from_pydict({"user_idx": pa.array(range(N_USERS), pa.int32())})
    rows = ranked_batch(batch, night.candidates, source, "home").to_pylist()
    for person, row in zip(night.people, rows, strict=True):
        ordering = night.ordering(PLACEMENTS[0])
        context = PlainContext(person, night.shop, PLACEMENTS[0], True, night.exploring, ordering)
        made = stages.of_source(context, source)
        assert [entry.item for entry in made] == row["item_idx"]
        assert [np.float32(entry.score) for entry in made] == row["scores"]
        assert [entry.reason for entry in made] == row["main_sources"]


def test_some_slots_of_these_lists_are_explored(night: RandomShop) -> None:
    """So that the comparison above is one of explored lists too."""
    lists = night.made(PLACEMENTS[0], night.booster())
    assert sum(int((one.reasons == REASONS.index("explored")).sum()) for one in lists) > N_USERS / 4


def test_no_stage_of_the_kernels_is_left_out() -> None:
    """Both paths have the same stages in the same order; one that is new there is to be written here too."""
    names = [[stage.__name__ for stage in of.STAGES] for of in (kernel_stages, stages)]  # type: ignore[attr-defined]
    assert names[0] == names[1]


def test_a_clean_night_has_no_difference(night: RandomShop) -> None:
    """Forty users, none of them differs."""
    booster = night.booster()
    assert differing(night, night.made(PLACEMENTS[0], booster), booster) == []


def test_two_swapped_lists_are_found(night: RandomShop) -> None:
    """Two users with each other's lists: those two differ, from the first place on."""
    booster = night.booster()
    lists = night.made(PLACEMENTS[0], booster)
    lists[4], lists[9] = lists[9], lists[4]
    assert [(one.user_id, one.what, one.position) for one in differing(night, lists, booster)] == [
        ("user-4", "item", 1), ("user-9", "item", 1),
    ]  # fmt: skip


def test_an_item_dictionary_shifted_by_one_is_found(night: RandomShop) -> None:
    """Every list names its items' neighbours: every user differs."""
    booster = night.booster()
    lists = night.made(PLACEMENTS[0], booster)
    assert len(differing(night, lists, booster, shown=shifted(night.shop))) == N_USERS


def test_a_stale_booster_is_found(night: RandomShop) -> None:
    """Lists made by another night's booster."""
    lists = night.made(PLACEMENTS[0], night.booster(seed=1))
    assert len(differing(night, lists, night.booster())) > N_USERS / 2


def test_swapped_feature_columns_are_found(night: RandomShop) -> None:
    """Lists scored with the columns of two sources' ranks swapped."""
    booster = night.booster()
    names = list(ranking_features.names(SOURCES, SCORERS))
    one, other = names.index("rank_als"), names.index("rank_popular")
    swapped = night.features.copy()
    swapped[:, [one, other]] = swapped[:, [other, one]]
    assert len(differing(night, night.made(PLACEMENTS[0], booster, swapped), booster)) > N_USERS / 2


def test_a_feature_that_is_not_known_is_named(night: RandomShop) -> None:
    """A booster that asks for it cannot be checked, and that is said."""
    with pytest.raises(VocabularyMismatch, match="does not know: user_height"):
        features.matrix(night.people[0], night.shop, ["n_sources", "user_height"])


ENTRIES = [Entry(0, 3.0, 0), Entry(1, 2.0, 1), Entry(2, 1.0, 1)]
KNOWN = {"item-0": 3.0, "item-1": 2.0, "item-2": 1.0, "item-3": 2.0, "item-4": 1.9}


def compared(night: RandomShop, items: list[str], scores: list[float], entries: list[Entry] = ENTRIES) -> Compared:
    """A found list beside the entries."""
    shown = Found(items=items, scores=scores, sources=["own", "als", "als"][: len(items)])
    return compare("ann", "home", entries, shown, night.shop, KNOWN)


def test_a_tie_is_no_difference(night: RandomShop) -> None:
    """Another item with an equal second score is counted as tied; one a tenth lower differs; an unknown one too."""
    tied = compared(night, ["item-0", "item-3", "item-2"], [3.0, 2.0, 1.0])
    assert (tied.n_tied, tied.differences) == (1, [])
    for item in ("item-4", "item-9"):
        (one,) = compared(night, ["item-0", item, "item-2"], [3.0, 2.0, 1.0]).differences
        assert (one.position, one.what, one.expected, one.found) == (2, "item", "item-1", item)


def test_scores_may_lie_half_a_stored_step_away(night: RandomShop) -> None:
    """A step is a 255th of the list's range: half of it passes, one does not."""
    items = ["item-0", "item-1", "item-2"]
    assert compared(night, items, [3.0, 2.0 + 0.49 * 2 / 255, 1.0]).differences == []
    (one,) = compared(night, items, [3.0, 2.0 + 2 / 255, 1.0]).differences
    assert (one.position, one.what, one.expected) == (2, "score", "2")


def test_lengths_repeats_and_reasons_differ(night: RandomShop) -> None:
    """A list cut short, one with an item twice, and one with another reason are each one difference."""
    (one,) = compared(night, ["item-0"], [3.0]).differences
    assert (one.what, one.expected, one.found) == ("length", "3", "1")
    (one,) = compared(night, ["item-0", "item-0", "item-2"], [3.0, 2.0, 1.0]).differences
    assert (one.what, one.found) == ("length", "an item twice")
    entries = [ENTRIES[0], Entry(1, 2.0, 2), ENTRIES[2]]
    (one,) = compared(night, ["item-0", "item-1", "item-2"], [3.0, 2.0, 1.0], entries).differences
    assert (one.what, one.expected, one.found) == ("reason", "popular", "als")


def test_factors_of_another_user_are_found(night: RandomShop) -> None:
    """Scores of ALS are the products of the user's own factors, and not those of the next one's."""
    users, items = night.factors
    person = next(person for person in night.people if len(person.items) > 3)
    assert not list(factors.differences(person, night.shop, "als", factors.Factors(users, items)))
    (one,) = factors.differences(person, night.shop, "als", factors.Factors(np.roll(users, 1, axis=0), items))
    assert (one.what, one.expected.split()[0]) == ("factors", "als")


def test_items_and_users_outside_a_model(night: RandomShop) -> None:
    """An item that the model does not know has no score, a user whom it does not know scores 0."""
    users, items = night.factors
    person = next(person for person in night.people if person.items.max(initial=0) > 50)
    small = factors.Factors(users, items[:50])
    (one,) = factors.differences(person, night.shop, "als", small)
    assert "nan" in one.expected
    scores = np.where(person.items < 50, np.float32(0), np.float32("nan"))[:, None].repeat(len(SOURCES), axis=1)
    stranger = replace(person, user_idx=N_USERS, scores=scores)
    assert not list(factors.differences(stranger, night.shop, "als", small))


def test_scores_by_other_weights_are_found(night: RandomShop) -> None:
    """Scores of EASE are the sums of the weights from what the user bought, NaN outside the model."""
    members, weights = night.weights
    places = {item: place for place, item in enumerate(members.tolist())}
    assert not [one for p in night.people for one in linear.differences(p, night.shop, linear.Weights(places, weights))]
    person = next(person for person in night.people if np.isfinite(person.scores[:, len(SOURCES)]).sum() > 3)
    (one,) = linear.differences(person, night.shop, linear.Weights(places, np.ascontiguousarray(weights.T)))
    assert (one.what, one.expected.split()[0]) == ("factors", "ease")
    (one,) = linear.differences(person, night.shop, linear.Weights({}, weights))
    assert "nan" in one.expected


def test_scores_by_other_similar_users_are_found(night: RandomShop) -> None:
    """Scores are sums of likeness; one neighbour less is found, and so is a pool whose users are numbered otherwise."""
    profiles, recent, users, rarity = night.pool
    rows = {user: row for row, user in enumerate(users.tolist())}
    pool = alike.Pool(profiles.tocsc(), recent, rows, rarity, N_NEAREST)
    assert not [one for person in night.people for one in alike.differences(person, night.shop, pool)]
    moved = replace(pool, row_of={user: (row + 1) % len(rows) for user, row in rows.items()})
    for other in (replace(pool, n=N_NEAREST - 1), moved):
        found = [one for person in night.people for one in alike.differences(person, night.shop, other)]
        assert {one.what for one in found} == {"factors"}


def test_what_may_be_explored_is_what_the_kernels_say(night: RandomShop, tmp_path: Path) -> None:
    """New items, and those that at most a tenth of the last night's lists showed."""
    counted = exposure.Exposure(2)
    lists = [[0, 1, 2]] * 9 + [[3, 1, 2]]
    counted.add(pa.RecordBatch.from_pydict({"placement": ["home"] * 10, "item_idx": lists}))
    counted.save(tmp_path / "exposure", about={})
    settings = Exploration(share={"home": 0.5}, max_reach=0.1)
    made = exploring(settings, night.shop, "home", tmp_path / "exposure", seed=5)
    reach = exposure.reach(tmp_path / "exposure", "home", night.shop.n_items)
    arrival = np.nan_to_num(night.shop.numbers["age_days"], nan=np.inf) <= night.shop.arrival_days
    assert made.is_open == (arrival | (reach <= 0.1)).tolist()
    assert (made.share, made.key) == (0.5, exploration.draw_key(5, night.shop.today, "home"))
    assert exploring(settings, night.shop, "discover", tmp_path / "exposure", seed=5).share == 0.0
