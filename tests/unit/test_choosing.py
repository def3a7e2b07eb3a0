from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import ArtifactCorrupt
from contracts.layout import Layout
from contracts.settings import Candidates, Gates, Placement, Settings
from jobs.evaluation import choosing
from jobs.evaluation.measure import means, with_differences
from models.histories import empty_pairs
from models.measures import FULL, Block, Key, Plan, Row, measure_block
from models.rankings import Ranking, assortment_of, truth_of

AS_OF = dt.date(2026, 3, 1)
SOURCES = ("als", "popular")
N_USERS, N_ITEMS, LENGTH = 400, 60, 10


def _settings(**gates: Any) -> Settings:
    return Settings(
        candidates=Candidates(sources=SOURCES), placements={"home": Placement(repeats=True)}, gates=Gates(**gates)
    )


def _row(source: str, value: float, low: float, high: float) -> Row:
    key = Key(FULL, "home", f"two_stage_minus_source_{source}", "ndcg_10")
    return {**key._asdict(), "value": value, "low": low, "high": high, "n_users": 100}


@pytest.mark.parametrize(
    ("low", "high", "gates", "system"),
    [
        (0.001, 0.03, {}, "two_stage"),
        (0.0, 0.03, {}, "popular"),
        (-0.03, -0.01, {}, "popular"),
        (-0.03, -0.01, {"unearned": "hold"}, "two_stage"),
        (-0.03, -0.01, {"beat_best_source": False}, "two_stage"),
    ],
)
def test_lists_earn_their_keep_by_the_whole_interval(
    low: float, high: float, gates: dict[str, Any], system: str
) -> None:
    """The source nearest to the lists takes their place unless all of the interval is above zero."""
    rows = [_row("als", 0.2, 0.1, 0.3), _row("popular", (low + high) / 2, low, high)]
    (choice,) = choosing.choose(rows, _settings(**gates), as_of=AS_OF).placements
    assert (choice.system, choice.source, choice.low, choice.high) == (system, "popular", low, high)
    assert ("the lists of source popular are published" in choice.note) == (system == "popular")


def test_without_a_holdout_the_two_stage_lists_are_published() -> None:
    """Nothing was measured, nothing is replaced, and the note says why."""
    (choice,) = choosing.choose([], _settings(), as_of=AS_OF).placements
    assert (choice.system, choice.source, choice.note) == ("two_stage", None, "nothing was held out")


def test_choices_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A file a night; a damaged one is told, one that is not there is None."""
    layout = Layout(tmp_path)
    made = choosing.choose([_row("popular", -0.1, -0.2, -0.01)], _settings(), as_of=AS_OF)
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
    keys, numbers = with_differences(list(values), np.stack(list(values.values()), axis=1), f"ndcg_{LENGTH}")
    return choosing.choose(means(keys, numbers, resamples=200, seed=1), _settings(), as_of=AS_OF).placements[0]


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
