"""Explored slots: their items, their exact probabilities, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.exploration import Policy, draw_key, draws, explore
from models.rerank import Lists

EXPLORED = 9
POLICY = Policy(share=0.4, first_slot=2, last_slot=4, floor=0.25, items_per_slot=2, reason=EXPLORED, key=1)
OPEN = np.ones(20, dtype=bool)


def one_user(n_list: int = 4, n_candidates: int = 12, n_users: int = 1) -> tuple[Lists, Lists]:
    """Lists of the items 0, 1, ... and candidates that begin with them, the same for every user."""

    def lists(n: int) -> Lists:
        items = np.tile(np.arange(n, dtype=np.int32), n_users)
        rows = np.repeat(np.arange(n_users, dtype=np.int64), n)
        scores = np.tile(np.arange(n, 0, -1).astype(np.float32), n_users)
        return Lists(rows, items, scores, np.zeros(len(rows), np.int32))

    return lists(n_list), lists(n_candidates)


def test_propensities_are_the_shares_of_a_hundred_thousand_draws() -> None:
    """Each slot's item stands there in the share of the users that the policy states, within five standard errors.

    The floor keeps candidates 0 to 8, the list has 0 to 3, so 4 to 8 are dealt: slot 2 draws from 4 and 7, slot 3 from
    5 and 8, slot 4 from 6 alone.
    """
    n_users = 100_000
    made, candidates = one_user(n_users=n_users)
    result = explore(made, candidates, np.arange(n_users, dtype=np.int32), OPEN, POLICY)
    items, chances = result.lists.items.reshape(n_users, 4), result.propensities.reshape(n_users, 4)
    expected = [{0: 1.0}, {1: 0.6, 4: 0.2, 7: 0.2}, {2: 0.6, 5: 0.2, 8: 0.2}, {3: 0.6, 6: 0.4}]
    for slot, policy in enumerate(expected):
        assert set(items[:, slot].tolist()) == set(policy)
        for item, chance in policy.items():
            shown = items[:, slot] == item
            assert np.unique(chances[shown, slot]).tolist() == [np.float32(chance)]
            assert abs(shown.mean() - chance) <= 5 * np.sqrt(chance * (1 - chance) / n_users)


def test_slots_are_independent() -> None:
    """Two slots explore together as often as the product of their chances says."""
    n_users = 100_000
    made, candidates = one_user(n_users=n_users)
    result = explore(made, candidates, np.arange(n_users, dtype=np.int32), OPEN, POLICY)
    explored = (result.lists.reasons == EXPLORED).reshape(n_users, 4)
    for a, b in ((1, 2), (2, 3), (1, 3)):
        assert (explored[:, a] & explored[:, b]).mean() == pytest.approx(0.16, abs=0.006)


def test_what_is_not_open_is_not_explored() -> None:
    """Slots above the first, items that are shown enough, and what lies below the floor never come in."""
    made, candidates = one_user()
    users = np.arange(1, dtype=np.int32)
    is_open = OPEN.copy()
    is_open[[4, 5, 6, 7]] = False  # of 4 to 8, all that the floor lets pass, only 8 is left
    always = replace(POLICY, share=1.0)
    result = explore(made, candidates, users, is_open, always)
    assert result.lists.items.tolist() == [0, 8, 2, 3]
    assert result.lists.reasons.tolist() == [0, EXPLORED, 0, 0]
    assert result.usual.tolist() == [0, 1, 2, 3]
    assert result.propensities.tolist() == [1.0, 1.0, 1.0, 1.0]
    assert result.lists.scores.tolist() == [4.0, 3.0, 2.0, 1.0]


def test_no_share_changes_nothing() -> None:
    """With a share of 0 the lists are what they were, each slot with probability 1."""
    made, candidates = one_user()
    result = explore(made, candidates, np.zeros(1, np.int32), OPEN, replace(POLICY, share=0.0))
    assert result.lists.items.tolist() == made.items.tolist()
    assert result.propensities.tolist() == [1.0] * 4


def test_draws_belong_to_seed_day_placement_user_and_slot() -> None:
    """The same names give the same draws; another seed, day, placement, user or slot gives others."""
    users, slots = np.array([3, 3, 4], np.int32), np.array([1, 2, 1])
    key = draw_key(1, 20_000, "home")
    first = draws(key, users, slots)
    assert first.tolist() == draws(key, users, slots).tolist()
    assert len(set(first.tolist())) == 3
    for other in (draw_key(2, 20_000, "home"), draw_key(1, 20_001, "home"), draw_key(1, 20_000, "mail")):
        assert not set(first.tolist()) & set(draws(other, users, slots).tolist())


def test_one_user_alone_is_drawn_as_among_others() -> None:
    """A user's slots do not depend on the block that the user is worked in."""
    made, candidates = one_user(n_users=50)
    users = np.arange(100, 150, dtype=np.int32)
    together = explore(made, candidates, users, OPEN, POLICY).lists.items.reshape(50, 4)
    one, its = one_user()
    for row in (0, 17, 49):
        assert explore(one, its, users[row : row + 1], OPEN, POLICY).lists.items.tolist() == together[row].tolist()


@given(
    n_list=st.integers(0, 12), n_candidates=st.integers(0, 20), n_users=st.integers(1, 4), share=st.floats(0, 1),
    first=st.integers(1, 14), last=st.integers(1, 14), floor=st.floats(0, 1), per_slot=st.integers(1, 4),
    key=st.integers(0, 2**64 - 1),
)  # fmt: skip
def test_lists_stay_lists(
    *, n_list: int, n_candidates: int, n_users: int, share: float, first: int, last: int, floor: float, per_slot: int,
    key: int,
) -> None:  # fmt: skip
    """Whatever the policy: as long as before, no item twice, probabilities in (0, 1], closed slots untouched."""
    made, candidates = one_user(n_list, n_candidates, n_users)
    policy = Policy(
        share=share, first_slot=first, last_slot=last, floor=floor, items_per_slot=per_slot, reason=EXPLORED, key=key
    )
    result = explore(made, candidates, np.arange(n_users, dtype=np.int32), OPEN, policy)
    assert result.lists.rows.tolist() == made.rows.tolist()
    for row in range(n_users):
        mine = result.lists.items[result.lists.rows == row].tolist()
        assert len(set(mine)) == len(mine) == n_list
        assert mine[: first - 1] == list(range(n_list))[: first - 1]
        assert mine[last:] == list(range(n_list))[last:]
    assert ((result.propensities > 0) & (result.propensities <= 1)).all()
