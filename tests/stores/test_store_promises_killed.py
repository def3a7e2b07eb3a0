from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from export.stores.base import Store
from tests.stores import nights
from tests.stores.nights import LATER, Night
from tests.stores.places import NewPlace, Place, Steps

When = Literal["before", "during", "after"]
MAX_SECONDS = 0.004  # a call to a server on this machine takes about so long


def die_at(steps: Steps, number: int, when: When, chance: random.Random) -> None:
    """This process kills itself before, during or after its so-many-th step."""
    calls = itertools.count(1)  # threads share it

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) != number:
                return real(*args, **kwargs)
            if when == "during":
                interrupt(name, real, args, kwargs, chance)
            if when == "after":
                real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

        return call

    for owner, name in steps:
        setattr(owner, name, wrap(name, getattr(owner, name)))


def interrupt(name: str, real: Callable[..., Any], args: Any, kwargs: Any, chance: random.Random) -> None:
    """A part of a call: some bytes of a copy, or a call in another thread for a part of its time."""
    if real is shutil.copyfile or name == "copyfile":
        data = Path(args[0]).read_bytes()
        Path(args[1]).write_bytes(data[: chance.randrange(len(data))])
        return
    thread = threading.Thread(target=real, args=args, kwargs=kwargs, daemon=True)
    thread.start()
    thread.join(chance.uniform(0, MAX_SECONDS))


def run_killed(work: Callable[[], object], steps: Steps, number: int, when: When, seed: int) -> bool:
    """Whether a child that does `work` was killed at the step; False where it ended before it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_at(steps, number, when, random.Random(f"{seed}-{number}"))  # noqa: S311  it decides no secret
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def whole_night(store: Store, made: Night, expected_day: Night) -> None:
    """The protocol of a night: publish, flip, retain; run again after whatever came of it before."""
    nights.publish(store, made)
    seen = store.pointer()
    assert seen is not None
    if seen.snapshot == expected_day.id:
        store.flip(made.id, expected=seen, by="the-night", reason="night", at=LATER)
    store.retain(keep=1, grace_seconds=60, by="the-night", at=LATER)


def killed_at(place: Place, made: list[Night], number: int, when: When, seed: int) -> tuple[bool, nights.Readers]:
    """Whether the third night was killed at a step, and what readers saw meanwhile."""
    store = place.store()
    for night in made[:2]:
        nights.run(store, night)
    with nights.reading(place.store, made, n=1, users=nights.USERS[:3]) as seen:
        killed = run_killed(lambda: whole_night(place.store(), made[2], made[1]), place.steps, number, when, seed)
    return killed, seen


def state_of(place: Place) -> tuple[object, ...]:
    """All that a night leaves behind."""
    store = place.store()
    pointer = store.pointer()
    assert pointer is not None
    return store.snapshots(), pointer, store.history(), store.verify(pointer.snapshot).sha256


def kill_everywhere(
    new_place: NewPlace, folder: Path, when: When, seed: int, *, first: int, stride: int
) -> dict[str, int]:
    """Kills a third night at every `stride`-th step, runs it again, compares with one left alone; counts of it all."""
    made = [nights.night(folder, day) for day in (1, 2, 3)]
    undisturbed = new_place()
    for night in made[:2]:
        nights.run(undisturbed.store(), night)
    whole_night(undisturbed.store(), made[2], made[1])
    wanted, number, killed, seen_ids = state_of(undisturbed), first, True, set[str]()
    told = Counter({"kills": 0, "lookups": 0, "mixed": 0, "failed": 0})
    while killed:
        place = new_place()
        killed, seen = killed_at(place, made, number, when, seed)
        told.update(kills=killed, lookups=seen.n, mixed=len(seen.wrong), failed=len(seen.failed))
        assert (seen.wrong, seen.failed) == ([], [])
        seen_ids |= seen.snapshots
        whole_night(place.store(), made[2], made[1])
        assert state_of(place) == wanted
        number += stride
    assert number > 20
    assert seen_ids <= {night.id for night in made[1:]}
    return dict(told)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_publisher_killed_anywhere_and_run_again_reaches_the_same_state(
    new_place: NewPlace, tmp_path_factory: pytest.TempPathFactory, when: When, seed: int
) -> None:
    """In publish, flip and retain: readers see whole nights, and the second run ends as one that was left alone.

    After a step and before the next is the same to a server, so the seeds of the two share the boundaries among them,
    and those of `during` half of the steps; the soak kills at each step with each seed.
    """
    first = {"before": seed, "after": seed + 2, "during": 2 * seed - 1}[when]
    kill_everywhere(new_place, tmp_path_factory.mktemp("killed"), when, seed, first=first, stride=6)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_publisher_killed_at_each_step_with_each_seed_reaches_the_same_state(
    new_place: NewPlace,
    tmp_path_factory: pytest.TempPathFactory,
    when: When,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    """The same, at every step."""
    told = kill_everywhere(new_place, tmp_path_factory.mktemp("killed"), when, seed, first=1, stride=1)
    record_property("soak", told)
