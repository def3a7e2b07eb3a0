from __future__ import annotations

from dataclasses import replace
from threading import Barrier
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest

from contracts.settings import Ranker
from models import ranker
from models.few_examples import Recipe, recipe_of
from models.ranker import Examples, Lesson

SETTINGS = Ranker(
    few_examples=400, few_seeds=3, n_estimators=20, num_leaves=4, min_data_in_leaf=5, feature_fraction=0.5
)


@pytest.mark.parametrize(
    ("n_bought", "losses", "recipe"),
    [
        (400, (), Recipe(("lambdarank",), 20, 1)),
        (400, ("binary",), Recipe(("binary",), 20, 1)),
        (399, ("binary",), Recipe(("binary",), 20, 3)),
        (100, (), Recipe(("lambdarank", "binary"), 10, 3)),
        (1, (), Recipe(("lambdarank", "binary"), 6, 3)),
    ],
)
def test_the_trees_fall_with_the_root_of_what_was_bought(
    n_bought: int, losses: tuple[str, ...], recipe: Recipe
) -> None:
    """From the limit on the settings' own; below fewer trees, to three tenths at least, of several seeds and losses."""
    assert recipe_of(n_bought, msgspec.structs.replace(SETTINGS, losses=losses)) == recipe


def _of(seed: int, n_users: int) -> tuple[Examples, np.ndarray]:
    """Twenty candidates a user, one bought: the odds are by four of twelve features, all alike."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_users * 20, 12)).astype(np.float32)
    odds = np.exp(0.5 * features[:, :4].sum(axis=1)).reshape(n_users, 20)
    bought = [random.choice(20, p=row / row.sum()) for row in odds]
    labels = np.zeros((n_users, 20), dtype=np.int8)
    labels[np.arange(n_users), bought] = 1
    return Examples(features, labels.ravel(), np.full(n_users, 20)), odds


def _scores(text: str, examples: Examples) -> np.ndarray:
    return ranker.predict(ranker.scorer(lightgbm.Booster(model_str=text)), examples.features)


def test_of_few_purchases_the_sum_ranks_better_than_one_booster() -> None:
    """Planted truth, a hundred purchases: in both shops the item put first is likelier to be bought."""
    names = tuple(f"f{n}" for n in range(12))
    for seed in range(2):
        examples, _ = _of(seed, 100)
        judged, odds = _of(100 + seed, 400)
        chance = odds / odds.sum(axis=1, keepdims=True)
        found = []
        for settings in (Ranker(min_data_in_leaf=40), Ranker(min_data_in_leaf=40, few_examples=0)):
            text = ranker.fit(Lesson([examples], settings), names, seed=1, threads=1)
            scores = ranker.predict(ranker.scorer(lightgbm.Booster(model_str=text)), judged.features).reshape(400, 20)
            found.append(chance[np.arange(400), scores.argmax(axis=1)].mean())
        assert found[0] > found[1] + 0.004


def test_one_model_holds_the_trees_of_every_seed_and_loss() -> None:
    """Two losses of three seeds: six boosters, no two alike."""
    examples, _ = _of(3, 60)
    text = ranker.fit(Lesson([examples], SETTINGS), tuple(f"f{n}" for n in range(12)), seed=1, threads=1)
    assert lightgbm.Booster(model_str=text).num_trees() == 6 * recipe_of(60, SETTINGS).rounds
    trees = text.split("Tree=")[1:]
    n = recipe_of(60, SETTINGS).rounds
    assert len({trees[at * n].split("\n", 1)[1] for at in range(6)}) == 6


def test_every_draw_has_a_booster_of_its_own() -> None:
    """Of enough purchases, two draws and two losses are four boosters; those of one loss differ by their draw."""
    draws = [_of(seed, 60)[0] for seed in (3, 4)]
    settings = msgspec.structs.replace(SETTINGS, few_examples=0, losses=("lambdarank", "binary"))
    names = tuple(f"f{n}" for n in range(12))
    text = ranker.fit(Lesson(draws, settings), names, seed=1, threads=1)
    assert lightgbm.Booster(model_str=text).num_trees() == 4 * settings.n_estimators
    one = msgspec.structs.replace(settings, losses=("binary",), feature_fraction=1.0)
    alone = [ranker.fit(Lesson([draw], one), names, seed=1, threads=1) for draw in draws]
    first, second = (_scores(model, draws[0]) for model in alone)
    both = _scores(ranker.fit(Lesson(draws, one), names, seed=1, threads=1), draws[0])
    np.testing.assert_allclose(both, first / first.std() + second / second.std(), atol=1e-4)


def test_a_model_of_few_purchases_is_the_same_at_any_number_of_threads() -> None:
    """Boosters side by side, three at a time, each with a thread: the text is that of one after the other."""
    examples, _ = _of(3, 60)
    names = tuple(f"f{n}" for n in range(12))
    texts = [ranker.fit(Lesson([examples], SETTINGS), names, seed=1, threads=threads) for threads in (1, 3)]
    assert texts[0] == texts[1]
    assert "[num_threads: 1]" in texts[1]


@pytest.mark.parametrize(("threads", "each"), [(1, 1), (2, 1), (3, 1), (5, 2)])
def test_boosters_side_by_side_share_the_threads(threads: int, each: int) -> None:
    """Two losses of enough purchases: the threads are shared out evenly, and each booster has one at least."""
    examples, _ = _of(3, 60)
    settings = msgspec.structs.replace(SETTINGS, few_examples=0, losses=("lambdarank", "binary"))
    text = ranker.fit(Lesson([examples], settings), tuple(f"f{n}" for n in range(12)), seed=1, threads=threads)
    assert f"[num_threads: {each}]" in text


@pytest.mark.parametrize(("threads", "at_once", "each"), [(1, 1, 1), (3, 3, 1), (7, 3, 2)])
def test_boosters_of_all_models_are_trained_side_by_side_the_longest_first(
    monkeypatch: pytest.MonkeyPatch, threads: int, at_once: int, each: int
) -> None:
    """Two draws of one model and one of another: as many as there are threads meet while they are trained."""
    draws = [_of(seed, n_users)[0] for seed, n_users in ((3, 20), (4, 20), (5, 60))]
    settings = msgspec.structs.replace(SETTINGS, few_examples=0)
    together, begun, train = Barrier(at_once, timeout=20), [], lightgbm.train

    def meet(parameters: dict[str, Any], data: lightgbm.Dataset, **more: Any) -> lightgbm.Booster:
        begun.append((len(data.label), parameters["num_threads"]))
        together.wait()
        return train(parameters, data, **more)

    monkeypatch.setattr(ranker.lgb, "train", meet)
    names = tuple(f"f{n}" for n in range(12))
    lessons = [Lesson(draws[:2], settings), Lesson(draws[2:], settings)]
    short, long = ranker.fit_all(lessons, names, seed=1, threads=threads)
    assert at_once > 1 or begun[0] == (1200, each)
    assert sorted(begun) == [(400, each), (400, each), (1200, each)]
    monkeypatch.undo()
    assert [lightgbm.Booster(model_str=text).num_trees() for text in (short, long)] == [40, 20]
    assert long.split("parameters:")[0] == ranker.fit(lessons[1], names, seed=1, threads=1).split("parameters:")[0]


@pytest.mark.parametrize("n_clicked", [0, 5])
def test_losses_of_one_draw_learn_from_rows_that_are_binned_once(
    monkeypatch: pytest.MonkeyPatch, n_clicked: int
) -> None:
    """Two draws, two losses: two datasets for four boosters, four where clicks are labelled; no text differs for it."""
    draws = [_of(seed, 60)[0] for seed in (3, 4)]
    if n_clicked:
        unbought = [np.flatnonzero(draw.labels == 0)[:n_clicked] for draw in draws]
        clicks = [np.isin(np.arange(len(draw.labels)), at) for draw, at in zip(draws, unbought, strict=True)]
        draws = [replace(draw, is_clicked=clicked) for draw, clicked in zip(draws, clicks, strict=True)]
    settings = msgspec.structs.replace(SETTINGS, few_examples=0, losses=("lambdarank", "binary"))
    names, learnt, train = tuple(f"f{n}" for n in range(12)), [], lightgbm.train

    def noted(parameters: dict[str, Any], data: lightgbm.Dataset, **more: Any) -> lightgbm.Booster:
        learnt.append(data)
        return train(parameters, data, **more)

    monkeypatch.setattr(ranker.lgb, "train", noted)
    shared = ranker.fit(Lesson(draws, settings), names, seed=1, threads=2)
    assert (len(learnt), len({id(data) for data in learnt})) == (4, 4 if n_clicked else 2)
    monkeypatch.setattr(ranker._Booster, "rows", property(id))
    assert ranker.fit(Lesson(draws, settings), names, seed=1, threads=2) == shared
    assert len({id(data) for data in learnt}) == (8 if n_clicked else 6)
