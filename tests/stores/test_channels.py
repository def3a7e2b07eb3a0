from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.lookup import Lists, Options
from export.reading.channels import is_exposed, place
from export.stores.local import LocalStore
from export.stores.state import Channels

Night = Callable[..., str]
AT = "2026-01-02T03:04:05Z"
EXPOSURES = (0, 5, 10, 25, 50, 100)
ROW: dict[str, Any] = {"user_id": "ann", "placement": "home", "segment": "35-44", "item_idx": [1], "scores": [1.0],
                       "reasons": [1], "anchors": [-1]}  # fmt: skip


def rollout(store: LocalStore, **channels: Any) -> None:
    """Moves the channels."""
    store.rollout(Channels(**channels), by="test", reason="a test", at=AT)


@given(user=st.text(), salt=st.text(max_size=20))
def test_exposure_only_adds_users(user: str, salt: str) -> None:
    """Who reads the canary at one exposure reads it at every higher one; nobody at 0, everybody at 100."""
    exposed = [is_exposed(user, salt, exposure) for exposure in EXPOSURES]
    assert exposed == sorted(exposed)
    assert (exposed[0], exposed[-1]) == (False, True)
    assert 0 <= place(user, salt) < 1


@pytest.mark.parametrize("exposure", EXPOSURES)
def test_the_share_of_users_is_the_exposure(exposure: int) -> None:
    """Of 20,000 ids within one percent point, and another salt draws other users."""
    exposed = {user for user in range(20_000) if is_exposed(f"u{user}", "may", exposure)}
    assert abs(len(exposed) / 200 - exposure) < 1
    other = {user for user in range(20_000) if is_exposed(f"u{user}", "june", exposure)}
    assert abs(len(exposed & other) / 200 - exposure * exposure / 100) < 1


def test_a_users_place_is_the_same_everywhere() -> None:
    """Written-out places: another machine, day or version must not move users between channels."""
    assert [round(place(*pair), 9) for pair in (("ann", ""), ("ann", "may"), ("ünï", "may"), ("\ud800", "may"))] == [
        0.924802355, 0.042935629, 0.412209556, 0.714455006,
    ]  # fmt: skip


def test_exposed_users_read_the_canary_and_the_others_the_stable_one(
    store: LocalStore, night: Night, publish: Night
) -> None:
    """At each exposure just the users whose place is below it, by one move of the pointer and without a new reader."""
    stable, canary = night(store, 1), publish(store, 2)
    lists = Lists(store)
    users = [f"u{i}" for i in range(60)]
    for exposure in EXPOSURES:
        rollout(store, canary=canary, exposure=exposure, salt="s")
        made = [lists.get(user, 1, "home") for user in users]
        wanted = [user for user in users if is_exposed(user, "s", exposure)]
        assert [one.user_id for one in made if one.channel == "canary"] == wanted
        assert {one.snapshot for one in made if one.channel == "canary"} <= {canary}
        assert {one.snapshot for one in made if one.channel == "stable"} <= {stable}
    rollout(store)
    assert {lists.get(user, 1, "home").snapshot for user in users} == {stable}


def test_many_answers_come_from_the_visitors_channel(store: LocalStore, night: Night, publish: Night) -> None:
    """One snapshot for all of them, the stable one where nobody is named."""
    stable, canary = night(store, 1), publish(store, 2)
    rollout(store, canary=canary, exposure=50, salt="s")
    inside = next(f"u{i}" for i in range(99) if is_exposed(f"u{i}", "s", 50))
    outside = next(f"u{i}" for i in range(99) if not is_exposed(f"u{i}", "s", 50))
    lists = Lists(store)
    for visitor, snapshot in ((None, stable), (inside, canary), (outside, stable)):
        made = lists.get_many([inside, outside, "ann"], 1, "home", visitor=visitor)
        assert {one.snapshot for one in made} == {snapshot}
    assert {one.snapshot for one in lists.get_page(inside, 1, ("home", "discover"))} == {canary}


def test_a_canary_that_cannot_answer_costs_nobody_a_list(store: LocalStore, night: Night, publish: Night) -> None:
    """Damaged or gone: its users read the stable snapshot."""
    stable, canary = night(store, 1), publish(store, 2)
    rollout(store, canary=canary, exposure=100)
    (store.root / "snapshots" / canary / "items.bin").write_bytes(b"")
    lists = Lists(store)
    assert (lists.get("ann", 1, "home").snapshot, lists.counts["failed_opens"]) == (stable, 1)
    shutil.rmtree(store.root / "snapshots" / canary)
    assert Lists(store).get("ann", 1, "home").snapshot == stable


def test_a_placement_that_the_canary_lacks_is_read_from_the_stable_one(
    store: LocalStore, night: Night, publish: Night
) -> None:
    """`discover` came after the canary was made; `home` still is the canary's."""
    popular = pa.table({"placement": ["home"], "segment": ["all"], "item_idx": [[1]], "scores": [[1.0]]})
    stable, canary = night(store, 1), publish(store, 2, rows=[ROW], fallbacks=popular)
    rollout(store, canary=canary, exposure=100)
    lists = Lists(store)
    assert (lists.get("ann", 1, "home").snapshot, lists.get("ann", 1, "discover").snapshot) == (canary, stable)
    assert [one.snapshot for one in lists.get_page("ann", 1, ("home", "discover"))] == [stable, stable]


def test_the_shadow_is_compared_and_never_served(store: LocalStore, night: Night, publish: Night) -> None:
    """Ann's list shares one of three items with the shadow's, the unknown user's is the same."""
    stable, shadow = night(store, 1), publish(store, 2, rows=[ROW])
    rollout(store, shadow=shadow)
    lists = Lists(store, Options(shadow_share=1.0))
    made = [lists.get(user, 3, "home") for user in ("ann", "nobody")]
    assert {one.snapshot for one in made} == {stable}
    counts = lists.counts
    assert (counts["shadow_compared"], counts["shadow_same"], counts["shadow_failed"]) == (2, 1, 0)
    assert counts["shadow_overlap"] == pytest.approx(1 / 3 + 1)
    assert (counts["personal"], counts["popular"]) == (1, 1)


def test_a_broken_shadow_costs_the_comparison_alone(store: LocalStore, night: Night, publish: Night) -> None:
    """A damaged record of the shadow is counted; the answer stands."""
    stable, shadow = night(store, 1), publish(store, 2, shards=1, rows=[ROW])
    path = store.root / "snapshots" / shadow / "shard-00000.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    rollout(store, shadow=shadow)
    lists = Lists(store, Options(shadow_share=1.0))
    assert lists.get("ann", 3, "home").items == ["jam", "milk", "bread"]
    assert (lists.get("ann", 3, "home").snapshot, lists.counts["shadow_failed"]) == (stable, 2)


def test_a_share_of_the_users_is_compared(store: LocalStore, night: Night, publish: Night) -> None:
    """A tenth of them, the same ones each time; none at 0."""
    night(store, 1)
    rollout(store, shadow=publish(store, 2))
    for share, low, high in ((0.0, 0, 0), (0.1, 10, 40)):
        lists = Lists(store, Options(shadow_share=share))
        for _ in range(2):
            lists.get_many([f"u{i}" for i in range(200)], 1, "home")
        n = lists.counts["shadow_compared"]
        assert low <= n / 2 <= high
        assert n % 2 == 0
