from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from contracts.errors import AccountingError, InputInvalid, StoreDenied, StoreUnreachable
from export.stores.dynamodb.service.rate import Rate
from export.stores.dynamodb.service.wire import Key, Request
from export.stores.dynamodb.service.writer import BatchWriter, Throttled, batches
from export.stores.retrying import Calls, Limits, Retrying, Waiting


def request(number: int, n_bytes: int = 100, body_bytes: int = 10) -> Request:
    """The request to put an item."""
    return Request(f"user-{number}", "home", b"x" * body_bytes, n_bytes)


@dataclass
class Time:
    """A clock that only sleeping moves, for one thread or several."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        with self.lock:
            self.sleeps.append(seconds)
            self.now += seconds

    def calls(self, *, seconds: float = 1000.0, attempts: int = 3) -> Calls:
        """Calls by this clock."""
        waiting = Waiting(lambda: self.now, self.sleep, random.Random(7))  # noqa: S311  it decides no secret
        return Retrying("the table", waiting, Limits(attempts, 0.2, 8.0)).within(seconds)


@dataclass
class Server:
    """A table that answers as told.

    Attributes:
        answer: what becomes of call number n, from 1: keys left unprocessed, or an error.
        stored: items by key, with how often each was put.
    """

    answer: Callable[[int, Sequence[Request]], set[Key] | Exception]
    stored: dict[Key, int] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, batch: Sequence[Request]) -> set[Key]:
        """One call."""
        with self.lock:
            self.sizes.append(len(batch))
            outcome = self.answer(len(self.sizes), batch)
            left = {(one.pk, one.sk) for one in batch} if isinstance(outcome, Exception) else outcome
            for one in batch:
                if (one.pk, one.sk) not in left:
                    self.stored[one.pk, one.sk] = self.stored.get((one.pk, one.sk), 0) + 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def writer(server: Server, time: Time, *, threads: int = 1, rate: float = 1e9, **limits: float) -> BatchWriter:
    """A writer to the server by the clock."""
    return BatchWriter(server, Rate(rate, clock=lambda: time.now), time.calls(**limits), threads=threads)  # type: ignore[arg-type]


def keys(batch: Sequence[Request]) -> list[Key]:
    """Keys of a batch."""
    return [(one.pk, one.sk) for one in batch]


def test_every_item_is_written_once_in_batches_of_25() -> None:
    """103 items: four whole batches and one of three, by four threads; items, requests, units and bytes exact."""
    server, time = Server(lambda _n, _batch: set()), Time()
    written = writer(server, time, threads=4).write((request(i, 1025) for i in range(103)), expected=103)
    assert (written.items, written.requests, written.units, written.n_bytes) == (103, 5, 206, 103 * 1025)
    assert (sorted(server.sizes), set(server.stored.values()), len(server.stored)) == ([3, 25, 25, 25, 25], {1}, 103)
    assert (written.retried, time.sleeps) == (0, pytest.approx([0] * len(time.sleeps), abs=1e-3))


def test_unprocessed_items_and_only_those_are_sent_again() -> None:
    """The server leaves every other item of each first call: all are written, none twice, the rest counted."""
    server = Server(lambda _n, batch: set(keys(batch)[::2]) if len(batch) > 1 else set())
    time = Time()
    written = writer(server, time).write((request(i) for i in range(8)), expected=8)
    assert (server.sizes, set(server.stored.values()), len(server.stored)) == ([8, 4, 2, 1], {1}, 8)
    assert (written.items, written.requests, written.retried) == (8, 4, 7)


def test_waits_have_full_jitter_and_a_cap() -> None:
    """Each wait lies between 0 and 0.2 s doubled with each try, and none is above 8 s."""
    server, time = Server(lambda n, _batch: Throttled() if n <= 12 else set()), Time()
    writer(server, time, attempts=20).write([request(0)], expected=1)
    longest = [min(8.0, 0.2 * 2**attempt) for attempt in range(12)]
    assert len(time.sleeps) == 12
    assert all(0 <= wait <= most for wait, most in zip(time.sleeps, longest, strict=True))
    assert len({round(wait, 9) for wait in time.sleeps}) == 12
    assert max(time.sleeps) > 2


def test_a_throttled_table_is_written_slower_and_then_faster_again() -> None:
    """The rate falls by 30 % once in a quarter second however many threads meet it, and rises by 2 % of the limit."""
    now = [0.0]
    rate = Rate(1000.0, clock=lambda: now[0])
    for _ in range(5):
        rate.throttled()
    assert rate.current == 700.0
    now[0] = 0.3
    rate.throttled()
    assert rate.current == pytest.approx(490.0)
    rate.accepted()
    assert rate.current == pytest.approx(510.0)
    for _ in range(100):
        rate.accepted()
    assert rate.current == 1000.0
    for _ in range(100):
        now[0] += 1
        rate.throttled()
    assert rate.current == 25.0


def test_the_rate_is_kept_by_all_threads_together() -> None:
    """At 100 write units a second 1,000 units take ten seconds less the first batch, whoever sends them."""
    server, time = Server(lambda _n, _batch: set()), Time()
    rate = Rate(100.0, clock=lambda: time.now)
    waits = [rate.reserve(25) for _ in range(40)]
    assert waits == [pytest.approx(0.25 * number) for number in range(40)]
    writer(server, time, rate=100.0).write((request(i, 1024) for i in range(1000)), expected=1000)
    assert time.now == pytest.approx(9.75, abs=0.1)


def test_at_the_deadline_the_number_of_unwritten_items_is_exact() -> None:
    """From the third call on nothing is taken: 50 of 110 were written, 60 were not, and the message says so."""
    server, time = Server(lambda n, batch: set() if n <= 2 else set(keys(batch))), Time()
    with pytest.raises(StoreUnreachable, match=r"60 of 110 items are unwritten, 50 were written"):
        writer(server, time, seconds=60).write((request(i) for i in range(110)), expected=110)
    assert len(server.stored) == 50
    assert time.now < 60


def test_items_left_over_in_part_of_a_batch_are_counted() -> None:
    """Seven of ten are taken and three never: 3 of 10 are unwritten."""
    never = {("user-2", "home"), ("user-5", "home"), ("user-9", "home")}
    server, time = Server(lambda _n, batch: never & set(keys(batch))), Time()
    with pytest.raises(StoreUnreachable, match=r"3 of its items are left; 3 of 10 items are unwritten, 7 were written"):
        writer(server, time, seconds=60, attempts=100).write((request(i) for i in range(10)), expected=10)


def test_a_table_that_does_not_answer_is_given_up_after_the_attempts() -> None:
    """Three calls without an answer, with two waits between; nothing of them counts as written."""
    server, time = Server(lambda _n, _batch: StoreUnreachable("no answer", where="w", todo="t")), Time()
    with pytest.raises(StoreUnreachable, match=r"no answer; 5 of 5 items are unwritten, 0 were written"):
        writer(server, time).write((request(i) for i in range(5)), expected=5)
    assert (len(server.sizes), len(time.sleeps)) == (3, 2)


def test_an_item_may_be_put_again_when_its_reply_was_lost() -> None:
    """The first call does its work and its answer is lost: the second one makes the count right."""
    server, time = Server(lambda _n, _batch: set()), Time()
    calls = []

    def send(batch: Sequence[Request]) -> set[Key]:
        calls.append(len(batch))
        left = server(batch)
        if len(calls) == 1:
            raise StoreUnreachable("lost", where="w", todo="t")
        return left

    made = BatchWriter(send, Rate(1e9, clock=lambda: time.now), time.calls(), threads=1)
    assert made.write([request(1), request(2)], expected=2).items == 2
    assert list(server.stored.values()) == [2, 2]


def test_a_table_that_takes_nothing_is_given_up_after_the_attempts() -> None:
    """Throttled three times in a row while nobody got anything in: an error that counts, before the deadline."""
    server, time = Server(lambda n, _batch: Throttled() if n > 1 else set()), Time()
    with pytest.raises(StoreUnreachable, match=r"throttled, after 3 tries; 25 of 50 items are unwritten, 25 were"):
        writer(server, time).write((request(i) for i in range(50)), expected=50)
    assert len(server.sizes) == 4


def test_refused_credentials_end_it_at_once() -> None:
    """No second call; the message still counts."""
    server, time = Server(lambda _n, _batch: StoreDenied("expired", where="w", todo="t")), Time()
    with pytest.raises(StoreDenied, match=r"expired; 30 of 30 items are unwritten"):
        writer(server, time).write((request(i) for i in range(30)), expected=30)
    assert len(server.sizes) <= 2
    assert server.stored == {}


def test_fewer_items_than_the_manifest_says_is_an_error() -> None:
    """What was lost before it came here is not counted as written."""
    server, time = Server(lambda _n, _batch: set()), Time()
    with pytest.raises(AccountingError, match="1 of 3 items are unwritten, 2 were written"):
        writer(server, time).write([request(1), request(2)], expected=3)


def test_limits_are_checked_before_anything_is_sent() -> None:
    """25 items, 16 MB a request, 400 KB an item, and no key twice in one batch."""
    assert [len(batch) for batch in batches(request(i) for i in range(51))] == [25, 25, 1]
    large = [request(i, 400 * 1024, body_bytes=4 * 1024 * 1024) for i in range(5)]
    assert [len(batch) for batch in batches(large)] == [3, 2]
    with pytest.raises(InputInvalid, match="409,601 bytes, the limit is 409,600"):
        list(batches([request(1, 400 * 1024 + 1)]))
    with pytest.raises(InputInvalid, match="same key twice"):
        list(batches([request(1), request(2), request(1)]))
