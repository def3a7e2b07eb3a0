from __future__ import annotations

from collections.abc import Callable
from typing import Any

from export.lookup import Limits, Lists, Options
from export.reading.channels import is_exposed
from export.reading.overlay import Column, encode_overlay
from export.reading.overlays import beside, publish_overlay
from export.stores.state import Channels
from tests.stores.places import Place

Night = Callable[..., str]
OPTIONS = Options(overlay_seconds=0, limits=Limits(try_seconds=60, tries=1))


def test_every_store_has_a_place_for_the_overlay(place: Place, night: Night) -> None:
    """None at first; published it is heeded, another one takes its place, and each is read back as written."""
    store: Any = place.store()
    night(store, 1)
    where = beside(store)
    assert where is not None
    assert (where.beside("overlay.bin"), Lists(place.store()).overlay) == (None, None)
    with Lists(place.store(), OPTIONS) as lists:
        assert lists.get("ann", 1, "home").items == ["jam"]
        for hidden, best in ((["jam"], "milk"), (["milk"], "jam"), (["jam", "milk"], "bread")):
            data = encode_overlay({Column("hidden"): hidden}, at="2026-01-02T12:00:00+00:00")
            made = publish_overlay(where, data)
            answer = lists.get("ann", 1, "home")
            assert (answer.items, answer.overlay) == ([best], made.id)
        assert where.beside("overlay.bin") == data
        assert lists.counts == {"personal": 4}


def test_every_store_has_channels(place: Place, night: Night, publish: Night) -> None:
    """Half of the users read the canary after one move, the shadow is compared, and a rollback ends the canary."""
    store: Any = place.store()
    first, stable, canary = night(store, 1), night(store, 2), publish(store, 3)
    store.rollout(Channels(canary=canary, exposure=50, shadow=first), by="t", reason="-", at="2026-01-04")
    users = ["ann", "bob", *(f"u{i}" for i in range(8))]
    with Lists(place.store(), Options(shadow_share=1.0)) as lists:
        made = {user: lists.get(user, 1, "home").snapshot for user in users}
        assert made == {user: canary if is_exposed(user, "", 50) else stable for user in users}
        assert set(made.values()) == {canary, stable}
        assert (lists.counts["shadow_compared"], lists.counts["shadow_same"]) == (10, 10)
        store.rollback(by="t2", reason="bad", at="2026-01-04")
        assert {lists.get(user, 1, "home").snapshot for user in users} == {first}
