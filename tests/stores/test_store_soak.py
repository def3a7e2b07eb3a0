from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from export.stores.base import Store
from tests.stores import nights
from tests.stores.contents import contents
from tests.stores.nights import Night
from tests.stores.places import Place

CYCLES = 200
LOOKUPS = 100_000
KEEP = 3
SNAPSHOT = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")
GRACE_SECONDS = 5.0  # no page of the readers takes so long


def now(ahead_seconds: float = 0.0) -> str:
    """ISO time."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_seconds)).isoformat()


def cycles(store: Store, made: list[Night]) -> Iterator[int]:
    """Publishes, flips, rolls every fifth night back, releases, retains: how many snapshots there are after each."""
    for number, night in enumerate(made):
        nights.publish(store, night)
        by = f"cycle-{number}"
        seen = store.pointer()
        store.flip(night.id, expected=seen, by=by, reason="night", at=now())
        if number % 5 == 4:
            assert seen is not None
            back = store.rollback(by=f"{by}-back", reason="bad", at=now())
            assert back.snapshot == seen.snapshot
            store.release(by=f"{by}-on", reason="fixed", at=now())
        store.retain(keep=KEEP, grace_seconds=GRACE_SECONDS, by=f"{by}-retain", at=now())
        yield len(store.snapshots())


def strays(place: Place) -> set[str]:
    """Snapshots of which anything lies in the place, in whatever state, and uploads that were begun."""
    return {found[0] for name in contents(place) if (found := SNAPSHOT.findall(name))}


@pytest.mark.soak
def test_two_hundred_cycles_while_four_readers_read(
    place: Place, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A hundred thousand lookups: none mixed, none failed, none missing; the store does not grow, and has no strays."""
    made = [nights.night(tmp_path, day) for day in range(1, CYCLES + 2)]
    store = place.store()
    nights.run(store, made[0])
    sizes = []
    with nights.reading(place.store, made, n=4) as seen:
        for size in cycles(store, made[1:]):
            sizes.append(size)
            nights.wait_until(lambda: seen.n * CYCLES >= LOOKUPS * len(sizes), seen)
    told = {
        "cycles": len(sizes), "lookups": seen.n, "mixed": len(seen.wrong), "failed": len(seen.failed),
        "snapshots read": len(seen.snapshots), "snapshots in the store at most": max(sizes),
    }  # fmt: skip
    record_property("soak", told)
    assert (seen.wrong, seen.failed) == ([], [])
    assert seen.n >= LOOKUPS
    assert len(seen.snapshots) > CYCLES // 4
    store.retain(keep=KEEP, grace_seconds=GRACE_SECONDS, by="last", at=now(2 * GRACE_SECONDS))
    kept = store.snapshots()
    assert len(kept) <= KEEP + 2  # beside the current and its predecessors the last one that was rolled back
    store.retain(keep=KEEP, grace_seconds=GRACE_SECONDS, by="very last", at=now(4 * GRACE_SECONDS))
    assert strays(place) == {*kept}
    assert max(sizes[100:]) <= 2 * max(sizes[:100])
    assert [event.sequence for event in store.history(50)] == list(
        range(store.history(1)[0].sequence - 49, store.history(1)[0].sequence + 1)
    )
