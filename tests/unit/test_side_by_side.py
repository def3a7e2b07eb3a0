from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest

from contracts.errors import StoreUnreachable
from export.stores.retrying import Retrying, Truncated, Waiting
from export.stores.side_by_side import each

AT_ONCE = 4


def test_as_many_parts_as_allowed_run_side_by_side_and_no_more() -> None:
    """Each part waits until four are under way; a fifth never is."""
    lock, all_here = threading.Lock(), threading.Barrier(AT_ONCE, timeout=20)
    under_way, most, done = 0, 0, set()

    def work(part: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        all_here.wait()
        with lock:
            under_way -= 1
            done.add(part)

    each(work, range(3 * AT_ONCE), at_once=AT_ONCE)
    assert most == AT_ONCE
    assert done == set(range(3 * AT_ONCE))


def test_one_at_a_time_keeps_the_order() -> None:
    """With one thread the parts are done in their order."""
    done: list[int] = []
    each(done.append, range(20), at_once=1)
    assert done == list(range(20))


def test_after_a_failure_no_part_is_begun() -> None:
    """Parts 1 and 3 of the first four fail: the four end, part 1's failure is raised, and nobody begins a fifth."""
    all_here, begun = threading.Barrier(AT_ONCE, timeout=20), []

    def work(part: int) -> None:
        begun.append(part)
        all_here.wait()
        if part % 2:
            raise ValueError(part)
        is_raised.wait(20)

    is_raised = threading.Event()
    threading.Timer(0.1, is_raised.set).start()
    with pytest.raises(ValueError, match="1"):
        each(work, range(100), at_once=AT_ONCE)
    assert sorted(begun) == list(range(AT_ONCE))


@pytest.mark.parametrize("seed", range(5))
def test_calls_side_by_side_ask_a_service_that_is_down_hardly_more_often_than_one_does(seed: int) -> None:
    """Eight calls fail at once: the first is tried six times, the seven others not again; the allowance has 15 left."""
    tries, lock, all_here = 0, threading.Lock(), threading.Barrier(8, timeout=20)
    others_go_on = partial(time.sleep, 0.002)
    waiting = Waiting(lambda: 0.0, lambda _: others_go_on(), random.Random(seed))  # noqa: S311  it decides no secret
    retrying = Retrying("test", waiting)
    calls, is_first = retrying.within(60.0, in_turn=True), threading.local()

    def fail() -> None:
        nonlocal tries
        if not hasattr(is_first, "no"):
            is_first.no = True
            all_here.wait()
        with lock:
            tries += 1
        raise Truncated

    with pytest.raises(StoreUnreachable, match="Truncated"):
        each(lambda _: calls.run("PutObject", fail), range(200), at_once=8)
    assert tries == calls.n == 6 + 7
    assert retrying._allowance == 15


def test_calls_that_retry_in_turn_all_end_well_once_the_service_is_back() -> None:
    """Each fails once: one retry each, and all are made."""
    failed, lock = set[int](), threading.Lock()
    waiting = Waiting(lambda: 0.0, lambda _: None, random.Random(1))  # noqa: S311  it decides no secret
    calls, made = Retrying("test", waiting).within(60.0, in_turn=True), []

    def once(part: int) -> int:
        with lock:
            if part not in failed:
                failed.add(part)
                raise Truncated
        return part

    each(lambda part: made.append(calls.run("PutObject", lambda: once(part))), range(12), at_once=4)
    assert sorted(made) == list(range(12))
    assert calls.n == 24
