"""Team-draft interleaving: fair, complete, repeatable, and able to tell the better ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.reading.interleaving import team_draft
from models.outcome_rates import preference

RANKINGS = st.lists(st.integers(0, 15).map(str), unique=True, max_size=12)


@given(stable=RANKINGS, canary=RANKINGS, k=st.integers(1, 20), seed=st.text(max_size=8))
def test_a_draft_is_a_list_of_both(stable: list[str], canary: list[str], k: int, seed: str) -> None:
    """No item twice, as long as asked or as there are items, the same for the same seed, and every team in its order.

    After each round both teams have brought equally many, as long as both have items that are not in the list.
    """
    drafted = team_draft(stable, canary, k, seed)
    rankings = {"stable": stable, "canary": canary}
    items = [rankings[team][place] for team, place in drafted]
    assert len(set(items)) == len(items) == min(k, len({*stable, *canary}))
    assert drafted == team_draft(stable, canary, k, seed)
    for team in ("stable", "canary"):
        places = [place for name, place in drafted if name == team]
        assert places == sorted(places)


def test_a_draft_by_hand() -> None:
    """Where the canary begins: its a, then the stable's b, since a is taken; then c and d by the second coin."""
    drafts = {tuple(team_draft(["a", "b", "c"], ["a", "d"], 3, f"u{n}")) for n in range(200)}
    assert drafts == {
        (("canary", 0), ("stable", 1), ("canary", 1)),
        (("canary", 0), ("stable", 1), ("stable", 2)),
        (("stable", 0), ("canary", 1), ("stable", 1)),
    }


def test_either_team_begins_for_half_of_the_users() -> None:
    """Of 20,000 seeds within one percent point, in the first round and in the tenth."""
    stable, canary = [f"s{n}" for n in range(12)], [f"c{n}" for n in range(12)]
    drafts = [team_draft(stable, canary, 20, f"user {n}") for n in range(20_000)]
    for place in (0, 18):
        assert abs(sum(draft[place][0] == "canary" for draft in drafts) / 20_000 - 0.5) < 0.01


def clicked(liked: dict[str, float], canary: list[str], *, n_users: int, seed: int) -> tuple[float, float, float]:
    """The preference and its interval where users click what they like, seen through position bias."""
    stable = [f"i{n}" for n in range(10)]
    random = np.random.default_rng(seed)
    users, is_canary, hits = [], [], []
    for user in range(n_users):
        for position, (team, place) in enumerate(team_draft(stable, canary, 10, f"salt\n{user}"), start=1):
            item = (stable if team == "stable" else canary)[place]
            users.append(user)
            is_canary.append(team == "canary")
            hits.append(random.random() < liked.get(item, 0.05) / position**0.6)
    found = preference(np.array(users), np.array(is_canary), np.array(hits, dtype=np.float64))
    return float(found.values[0]), float(found.lows[0]), float(found.highs[0])


def test_a_planted_preference_is_found() -> None:
    """The canary puts the liked items first, the stable ranking last: the interval is above a half; and mirrored."""
    better = [f"i{n}" for n in reversed(range(10))]
    liked = {f"i{n}": 0.4 for n in (7, 8, 9)}
    _, low, _ = clicked(liked, better, n_users=600, seed=1)
    assert low > 0.5
    _, _, high = clicked({f"i{n}": 0.4 for n in (0, 1, 2)}, better, n_users=600, seed=1)
    assert high < 0.5


def test_equal_rankings_are_not_told_apart() -> None:
    """Of forty pairs of equal rankings at least 35 intervals hold a half."""
    same = [f"i{n}" for n in range(10)]
    liked = {f"i{n}": 0.3 for n in range(5)}
    found = [clicked(liked, same, n_users=200, seed=seed) for seed in range(40)]
    assert sum(low <= 0.5 <= high for _, low, high in found) >= 35
    assert np.mean([value for value, _, _ in found]) == pytest.approx(0.5, abs=0.03)
