"""Items written in batches by several threads: whole, or an error that says exactly how many were not."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts.errors import AccountingError, LarderError, StoreUnreachable
from export.stores.dynamodb.service.rate import Rate
from export.stores.dynamodb.service.sizes import MAX_BATCH_ITEMS, MAX_ITEM_BYTES, MAX_REQUEST_BYTES, write_units
from export.stores.dynamodb.service.strict import refused
from export.stores.dynamodb.service.wire import Key, Request
from export.stores.retrying import Calls

MAX_BODY_BYTES: Final = MAX_REQUEST_BYTES - 64 * 1024


class Throttled(Exception):
    """The table refuses for load; nothing of the call was done."""


class Sender(Protocol):
    """Sends one batch, once."""

    def __call__(self, batch: Sequence[Request]) -> set[Key]:
        """Keys of the batch that were left unprocessed.

        Raises:
            Throttled: nothing was done.
            StoreUnreachable: it is not known what was done.
            LarderError: it never will be.
        """
        ...


@dataclass(slots=True)
class Written:
    """What was written so far.

    Attributes:
        items: confirmed by the table.
        requests: calls made.
        units: write units of the confirmed items.
        n_bytes: of the confirmed items, as DynamoDB counts them.
        retried: items sent again.
    """

    items: int = 0
    requests: int = 0
    units: int = 0
    n_bytes: int = 0
    retried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, done: Sequence[Request], again: int) -> None:
        """One call confirmed the items `done` and left so many."""
        with self.lock:
            self.requests += 1
            self.items += len(done)
            self.units += sum(write_units(one.n_bytes) for one in done)
            self.n_bytes += sum(one.n_bytes for one in done)
            self.retried += again


class BatchWriter:
    """Writes any number of items over several connections, at the pace that the table takes."""

    def __init__(self, send: Sender, rate: Rate, calls: Calls, *, threads: int) -> None:
        """A writer that uses `threads` connections, with the deadline, waits and attempts of `calls`."""
        self._send, self._rate, self._threads = send, rate, threads
        self._limits, self._waiting = calls.retrying.limits, calls.retrying.waiting
        self._give_up_at, self._where = calls.give_up_at, calls.retrying.where

    def write(self, requests: Iterable[Request], *, expected: int | None) -> Written:
        """All of `requests` done, each confirmed.

        Args:
            requests: no key twice; read as they are sent.
            expected: how many they are; None where only their end tells.

        Raises:
            InputInvalid: an item is larger than DynamoDB allows, or a batch has a key twice.
            StoreUnreachable: the deadline passed; the message says how many items were not written.
            AccountingError: there are not as many as expected.
        """
        written = Written()
        try:
            self._write_all(requests, written)
        except LarderError as error:
            raise _unwritten(error, written, expected) from error
        if expected is not None and written.items != expected:
            raise _unwritten(None, written, expected)
        return written

    def _write_all(self, requests: Iterable[Request], written: Written) -> None:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="larder-write") as pool:
            stop = threading.Event()
            running: set[Future[None]] = set()
            try:
                for batch in batches(requests):
                    running.add(pool.submit(self._write_batch, batch, written, stop))
                    if len(running) >= 2 * self._threads:
                        running = _settle(running, all_of_them=False)
                _settle(running, all_of_them=True)
            except BaseException:
                stop.set()
                raise

    def _write_batch(self, batch: Sequence[Request], written: Written, stop: threading.Event) -> None:
        left, attempt, n_idle = list(batch), 0, 0
        while left and not stop.is_set():
            wait = 0.0
            if attempt:
                longest = min(self._limits.cap_seconds, self._limits.first_seconds * 2 ** min(attempt - 1, 30))
                wait = self._waiting.chance.uniform(0, longest)
            wait = max(wait, self._rate.reserve(sum(write_units(one.n_bytes) for one in left)))
            self._pause(wait, len(left))
            attempt += 1
            before = written.items
            left, failure = self._attempt(left, written)
            # While other threads get items in, the table works and this batch only waits for its turn.
            n_idle = n_idle + 1 if written.items == before else 0
            if left and n_idle >= self._limits.attempts:
                raise failure or self._unreachable(f"BatchWriteItem was throttled, after {n_idle} tries")

    def _attempt(self, left: list[Request], written: Written) -> tuple[list[Request], StoreUnreachable | None]:
        """The requests that remain after one call, and why, where the call failed as a whole."""
        try:
            unprocessed = self._send(left)
        except Throttled:
            self._rate.throttled()
            written.note((), len(left))
            return left, None
        except StoreUnreachable as error:
            written.note((), len(left))
            return left, error
        done = [one for one in left if (one.pk, one.sk) not in unprocessed]
        again = [one for one in left if (one.pk, one.sk) in unprocessed]
        if again:
            self._rate.throttled()
        else:
            self._rate.accepted()
        written.note(done, len(again))
        return again, None

    def _pause(self, seconds: float, left: int) -> None:
        if self._waiting.clock() + seconds >= self._give_up_at:
            raise self._unreachable(f"A batch was not written within the deadline: {left} of its items are left")
        if seconds > 0:
            self._waiting.sleep(seconds)

    def _unreachable(self, what: str) -> StoreUnreachable:
        return StoreUnreachable(
            what, where=self._where, todo="Look at the table's throttling and capacity, then run the step again."
        )


def batches(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """The requests in their order, at most 25 and 16 MB a batch.

    Raises:
        InputInvalid: an item is larger than 400 KB, or a batch has a key twice.
    """
    batch: list[Request] = []
    keys: set[Key] = set()
    size = 0
    for one in requests:
        if one.n_bytes > MAX_ITEM_BYTES:
            raise refused(f"The item takes {one.n_bytes:,} bytes, the limit is {MAX_ITEM_BYTES:,}", one.pk[:80])
        if len(batch) == MAX_BATCH_ITEMS or size + len(one.body) > MAX_BODY_BYTES:
            yield batch
            batch, keys, size = [], set(), 0
        if (one.pk, one.sk) in keys:
            raise refused("A batch has the same key twice", one.pk[:80])
        batch.append(one)
        keys.add((one.pk, one.sk))
        size += len(one.body) + 64
    if batch:
        yield batch


def _settle(running: set[Future[None]], *, all_of_them: bool) -> set[Future[None]]:
    """The futures that still run; the error of one that ended with it is raised."""
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        if not all_of_them:
            break
    return running


def _unwritten(error: LarderError | None, written: Written, expected: int | None) -> LarderError:
    """The error with the exact number of items that the table did not confirm."""
    if expected is None:
        count = f"{written.items:,} items were done"
    else:
        count = f"{expected - written.items:,} of {expected:,} items are unwritten, {written.items:,} were written"
    if error is None:
        return AccountingError(count, where="batch writer", todo="Verify the build, then publish again.")
    return type(error)(f"{error.what}; {count}", where=error.where, todo=error.todo)
