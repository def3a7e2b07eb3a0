from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import ArtifactCorrupt
from contracts.layout import Layout
from contracts.sections import SOURCE_NAMES
from contracts.settings import Candidates, Gates, Placement, Settings
from jobs.evaluation import choosing
from models.contest import Contest
from models.histories import empty_pairs
from models.measures import FULL, Block, Key, Plan, measure_block
from models.rankings import Ranking, assortment_of, truth_of

AS_OF = dt.date(2026, 3, 1)
SOURCES = ("als", "popular")
N_USERS, N_ITEMS, LENGTH = 400, 60, 10


def _settings(**gates: Any) -> Settings:
    return Settings(
        candidates=Candidates(sources=SOURCES), placements={"home": Placement(repeats=True)}, gates=Gates(**gates)
    )


def _contests(popular: float, als: float, ours: float, *, spread: float = 0.01) -> dict[str, Contest]:
    """Two hundred users whose NDCG is about the given means."""
    values = np.array([popular, als, ours]) + np.random.default_rng(3).normal(0, spread, (200, 3))
    users = np.arange(200, dtype=np.int32)
    return {"home": Contest(("popular", "als", "two_stage"), [(users, values)], resamples=200, seed=1)}


@pytest.mark.parametrize(
    ("means", "gates", "system", "source"),
    [
        ((0.1, 0.2, 0.3), {}, "two_stage", "als"),
        ((0.1, 0.3, 0.3), {}, "als", "als"),
        ((0.3, 0.2, 0.1), {}, "popular", "popular"),
        ((0.3, 0.3, 0.3), {}, "popular", "popular"),
        ((0.3, 0.2, 0.1), {"unearned": "hold"}, "two_stage", "popular"),
        ((0.3, 0.2, 0.1), {"beat_best_source": False}, "two_stage", "popular"),
    ],
)
def test_lists_earn_their_keep_by_the_whole_interval(
    means: tuple[float, float, float], gates: dict[str, Any], system: str, source: str
) -> None:
    """The simplest source that none beats takes their place, unless they beat the best source."""
    (choice,) = choosing.choose(_contests(*means), _settings(**gates), as_of=AS_OF, n_windows=2).placements
    assert (choice.system, choice.source, choice.n_users, choice.n_windows) == (system, source, 200, 2)
    assert choice.value == pytest.approx(means[2] - means[("popular", "als").index(source)], abs=0.003)
    assert (f"the lists of source {source} are published" in choice.note) == (system == source)
    assert "200 users of 2 windows" in choice.note


def test_every_source_has_its_place_in_the_order_of_simplicity() -> None:
    """A source that is added is put there."""
    assert sorted(choosing.SIMPLEST_FIRST) == sorted(SOURCE_NAMES)


def test_without_a_holdout_the_two_stage_lists_are_published() -> None:
    """Nothing was measured, nothing is replaced, and the note says why."""
    (choice,) = choosing.choose({}, _settings(), as_of=AS_OF).placements
    assert (choice.system, choice.source, choice.note) == ("two_stage", None, "nothing was held out")


def test_choices_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A file a night; a damaged one is told, one that is not there is None."""
    layout = Layout(tmp_path)
    made = choosing.choose(_contests(0.3, 0.2, 0.1), _settings(), as_of=AS_OF)
    path = choosing.write(layout, made)
    assert choosing.read(layout, AS_OF) == made
    assert choosing.read(layout, AS_OF - dt.timedelta(days=1)) is None
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactCorrupt, match="choices of 2026-03-01"):
        choosing.read(layout, AS_OF)


def _shop_of_fashion() -> Block:
    """Users buy three items by popularity alone; their lists are drawn blindly, as is the order of the source als."""
    random = np.random.default_rng(7)
    popularity = 1 / np.arange(1, N_ITEMS + 1)
    bought = [random.choice(N_ITEMS, 3, replace=False, p=popularity / popularity.sum()) for _ in range(N_USERS)]
    blind = np.stack([random.permutation(N_ITEMS) for _ in range(N_USERS)])
    rows = np.repeat(np.arange(N_USERS), N_ITEMS)
    ranks = np.stack([blind.ravel() + 1, np.tile(np.arange(N_ITEMS) + 1, N_USERS)], axis=1)
    lists = Ranking(np.repeat(np.arange(N_USERS), LENGTH), blind[:, :LENGTH].ravel().astype(np.int32), N_USERS)
    return Block(
        bought=empty_pairs(),
        rows=rows,
        items=np.tile(np.arange(N_ITEMS, dtype=np.int32), N_USERS),
        scores=-ranks.astype(np.float32),
        ranks=ranks.astype(np.int16),
        lists={"home": lists},
        ranked={"home": lists},
        truth={"home": truth_of(np.repeat(np.arange(N_USERS), 3), np.concatenate(bought), n_rows=N_USERS)},
        n_rows=N_USERS,
    )


def _choice_of(block: Block) -> choosing.Choice:
    plan = Plan((("home", True),), SOURCES, LENGTH)
    assortment = assortment_of(np.arange(N_ITEMS)[::-1], np.ones(N_ITEMS, dtype=bool))
    values, _ = measure_block(block, plan, assortment, {})
    systems = {"popular": "source_popular", "als": "source_als", "two_stage": "two_stage"}
    columns = [values[Key(FULL, "home", name, f"ndcg_{LENGTH}")] for name in systems.values()]
    parts = [(np.arange(N_USERS, dtype=np.int32), np.stack(columns, axis=1))]
    contest = Contest(tuple(systems), parts, resamples=200, seed=1)
    return choosing.choose({"home": contest}, _settings(), as_of=AS_OF, n_windows=1).placements[0]


def test_where_only_popularity_has_signal_the_popular_lists_are_published() -> None:
    """Planted truth: what users buy next follows popularity and nothing else."""
    choice = _choice_of(_shop_of_fashion())
    assert (choice.system, choice.source) == ("popular", "popular")
    assert choice.high is not None
    assert choice.high < 0


def test_where_the_lists_know_more_they_are_published() -> None:
    """The same shop, but the lists begin with what the user will buy."""
    block = _shop_of_fashion()
    truth = block.truth["home"]
    seen = Ranking(truth.rows, truth.items.astype(np.int32), N_USERS)
    choice = _choice_of(replace(block, lists={"home": seen}, ranked={"home": seen}))
    assert (choice.system, choice.source) == ("two_stage", "popular")
