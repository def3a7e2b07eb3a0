from __future__ import annotations

import contextlib
import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import EnvironmentUnfit, LarderError, StoreDenied, StoreUnreachable
from export.stores.base import Store
from export.stores.retrying import Waiting
from export.stores.state import Pointer
from tests.stores import nights, places
from tests.stores.nights import Night
from tests.stores.places import Place
from tests.stores.servers.faults import DENIED, FAULTS, TIMEOUT_SECONDS, Time, injected, watched

REMOTE = tuple(kind for kind in places.KINDS if kind != "local")
DEADLINE = 30 * 60.0


@pytest.fixture(params=REMOTE)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Makes empty places of each kind of store that has a server."""
    return places.new_place(request.param, request, tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """A night for each request of a night, and one before them."""
    folder = tmp_path_factory.mktemp("nights")
    return [nights.night(folder, day) for day in range(1, 32)]


def opened(place: Place, time: Time, seed: int = 0) -> Store:
    """The store with a clock that only sleeps and timeouts move."""
    return place.store(Waiting(time.clock, time.sleep, random.Random(seed)))  # noqa: S311  it decides no secret


def n_requests(place: Place, made: list[Night]) -> int:
    """Requests of a night that nothing disturbs."""
    nights.run(place.store(), made[0])
    store = place.store()
    with watched() as requests:
        nights.run(store, made[1], by="second")
    return len(requests)


@pytest.mark.parametrize("name", FAULTS)
def test_one_failed_call_costs_at_most_the_night(far: Callable[[], Place], made: list[Night], name: str) -> None:
    """The k-th request of publish and flip, for every k: a passing fault is retried, a refused credential is named.

    The night ends published, once, or with the pointer unchanged; either way the next run publishes it.
    """
    place, n, wanted = far(), n_requests(far(), made), [made[0].id]
    nights.run(place.store(), made[0])
    for number in range(1, n + 1):
        old, new = made[number - 1 : number + 1]
        time = Time()
        with injected(FAULTS[name], time, first=number) as seen:
            store = opened(place, time)
            if name in DENIED:
                with pytest.raises(StoreDenied, match="ExpiredToken") as caught:
                    nights.run(store, new, by="first try")
                assert "planted-session-token" not in str(caught.value)
            else:
                nights.run(store, new, by="first try")
        assert seen.n_failed == 1
        pointer = place.store().pointer()
        assert pointer is not None
        assert pointer.snapshot in {old.id, new.id}
        if name not in DENIED:
            assert (pointer.snapshot, pointer.last.by) == (new.id, "first try")
        nights.run(place.store(), new, by="second try")
        wanted.append(new.id)
    assert [event.snapshot for event in place.store().history()] == wanted


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in DENIED])
def test_a_server_that_stays_away_is_named_within_the_deadline(
    far: Callable[[], Place], made: list[Night], name: str
) -> None:
    """From the k-th request on every one fails: an error that names the call, few requests, the pointer whole."""
    for number in range(1, n_requests(far(), made) + 1, 3):
        place = far()
        nights.run(place.store(), made[0])
        time = Time()
        store = opened(place, time, number)
        error: LarderError | None = None
        with injected(FAULTS[name], time, first=number, n=None) as seen:
            try:
                nights.run(store, made[1], by="second")
            except StoreUnreachable as caught:
                error = caught
        assert error is None or "tries" in error.what
        assert time.now < DEADLINE + TIMEOUT_SECONDS
        assert seen.n_failed <= 2 * 6  # tries of the call that failed, and of the look whether it was made
        pointer = place.store().pointer()
        assert pointer is not None
        assert pointer.snapshot in ({made[0].id, made[1].id} if error else {made[1].id})


@pytest.mark.parametrize("n", [1, 3])
def test_a_rollback_whose_reply_is_lost_is_made_once(far: Callable[[], Place], made: list[Night], n: int) -> None:
    """For every request, once or until its deadline: no error where the pointer moved, an error where it did not.

    Moved once: the bad night alone is quarantined, and the history has one rollback.
    """
    number, reached = 0, True
    while reached:
        number += 1
        place, time = far(), Time()
        for night in made[:3]:
            nights.run(place.store(), night)
        store, error = opened(place, time), None
        with injected(FAULTS["reply_lost"], time, first=number, n=n) as seen:
            try:
                store.rollback(by="on-call", reason="bad", at=nights.AT)
            except StoreUnreachable as caught:
                error = caught
        reached = seen.n_failed > 0
        pointer = place.store().pointer()
        assert pointer is not None
        assert (pointer.snapshot == made[2].id) == (error is not None)
        assert n > 1 or error is None
        if error is None:
            assert (pointer.snapshot, pointer.quarantined) == (made[1].id, (made[2].id,))
            assert [event.kind for event in place.store().history()] == ["flip", "flip", "flip", "rollback"]
    assert number > 4


def test_a_move_of_which_nobody_knows_is_said_to_be_unknown(far: Callable[[], Place], made: list[Night]) -> None:
    """The swap is made, and then the store answers nothing any more: the error sends the person to look first."""
    place, time = far(), Time()
    for night in made[:2]:
        nights.run(place.store(), night)
    store = opened(place, time)
    real = store.cell.swap  # type: ignore[attr-defined]

    def swap(pointer: Pointer, token: Any) -> bool:
        real(pointer, token)
        raise StoreUnreachable("PutObject failed", where="test", todo="test")

    def read() -> Any:
        raise StoreUnreachable("GetObject failed", where="test", todo="test")

    def away(pointer: Pointer, token: Any) -> bool:
        store.cell.read = read  # type: ignore[attr-defined]
        return swap(pointer, token)

    store.cell.swap = away  # type: ignore[attr-defined]
    with pytest.raises(StoreUnreachable, match="not known whether") as caught:
        store.rollback(by="on-call", reason="bad", at=nights.AT)
    assert "larder status" in caught.value.todo


def test_the_waits_are_random_and_capped(far: Callable[[], Place], made: list[Night]) -> None:
    """Full jitter: between nothing and twice as much with each try; two publishers do not wait alike."""
    place, sleeps = far(), []
    for seed in (1, 2):
        time = Time()
        with injected(FAULTS["500"], time, first=1, n=None), pytest.raises(StoreUnreachable):
            opened(place, time, seed).pointer()
        assert len(time.sleeps) == 5
        assert all(0 <= wait <= min(8.0, 0.2 * 2**i) for i, wait in enumerate(time.sleeps))
        sleeps.append(time.sleeps)
    assert sleeps[0] != sleeps[1]


def test_many_failing_calls_are_no_storm(far: Callable[[], Place]) -> None:
    """A hundred calls to a server that is down: once each, and a burst of retries for all of them together."""
    time = Time()
    store = opened(far(), time)
    with injected(FAULTS["slow_down"], time, first=1, n=None) as seen:
        for _ in range(100):
            with pytest.raises(StoreUnreachable):
                store.pointer()
    assert seen.n <= 100 + 20


def test_a_publish_gives_up_at_its_deadline(far: Callable[[], Place], made: list[Night]) -> None:
    """Timeouts use the time up: no request is begun after the deadline, but for those that begin beside a slow one."""
    time = Time()
    store = opened(far(), time)
    begun: list[float] = []

    def slow(send: Any, session: Any, request: Any, clock: Time) -> Any:
        begun.append(clock.now)
        clock.advance(500.0)
        return send(session, request)

    with injected(slow, time, first=1, n=None), pytest.raises(StoreUnreachable, match="deadline"):
        nights.publish(store, made[0])
    late = [at for at in begun if at >= DEADLINE]
    assert len(late) < 8  # as many connections; each saw the clock before another's request moved it
    assert begun[0] == 0
    assert store.snapshots() == []


def test_a_disk_that_fails_leaves_the_pointer_as_it_was_or_moved(
    tmp_path: Path, made: list[Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The k-th call that changes the disk fails, for every k: named, nothing half-made, and the next run ends well."""
    number, failed = 0, True
    while failed:
        number += 1
        place = places.OnDisk(tmp_path / f"disk-{number}")
        nights.run(place.store(), made[0])
        failed = False
        with monkeypatch.context() as patch:
            left = [number]
            for owner, name in place.steps:
                patch.setattr(owner, name, _failing(getattr(owner, name), left))
            with contextlib.suppress(EnvironmentUnfit):
                nights.run(place.store(), made[1])
            failed = left[0] <= 0
        pointer = place.store().pointer()
        assert pointer is not None
        assert pointer.snapshot in ({made[0].id, made[1].id} if failed else {made[1].id})
        assert nights.run(place.store(), made[1]).snapshot == made[1].id
        assert place.store().verify(made[1].id) == made[1].manifest
        assert [event.sequence for event in place.store().history()] == [1, 2]
    assert number > 10


def _failing(real: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    return call
