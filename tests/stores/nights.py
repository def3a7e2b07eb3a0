"""Nights of a shop in which every user's list differs from one night to the next, so that a mix of two is seen."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from contracts.errors import LarderError
from export.blessing import Blessing, write_blessing
from export.format.manifest import Manifest
from export.lookup import Lists, TopN
from export.snapshot import write_snapshot
from export.stores.base import Store
from export.stores.state import Pointer

AT: Final = "2026-01-02T03:04:05Z"
LATER: Final = "2026-01-02T05:04:05Z"
USERS: Final = tuple(f"user-{i:02d}" for i in range(24))
NOBODY: Final = "nobody"
ITEM_IDS: Final = ("bread", "milk", "jam", "tea", "pear")
LISTS: Final = pa.schema(
    {
        "user_id": pa.string(),
        "placement": pa.string(),
        "segment": pa.string(),
        "item_idx": pa.list_(pa.int32()),
        "scores": pa.list_(pa.float32()),
        "reasons": pa.list_(pa.int32()),
        "anchors": pa.list_(pa.int32()),
    }
)


@dataclass(frozen=True)
class Night:
    """A built and blessed snapshot, not yet in a store."""

    day: int
    build: Path
    blessing: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """The snapshot's id."""
        return self.manifest.snapshot_id

    def items(self, user: str) -> list[str]:
        """The user's list; the popular one for somebody else."""
        if user == NOBODY:
            return [ITEM_IDS[self.day % 5]]
        number = USERS.index(user)
        return [ITEM_IDS[(self.day + number + place) % 5] for place in range(3)]


@lru_cache(maxsize=512)
def night(folder: Path, day: int) -> Night:
    """The night of a day, counted from the first of January 2026, built below `folder`."""
    rows = [
        {
            "user_id": user, "placement": "home", "segment": "north", "scores": [255.0, 51.0, 0.0],
            "reasons": [0, 1, 0], "anchors": [-1, -1, -1],
            "item_idx": [(day + number + place) % 5 for place in range(3)],
        }
        for number, user in enumerate(USERS)
    ]  # fmt: skip
    items = pa.table({
        "item_idx": pa.array(range(5), pa.int32()), "item_id": list(ITEM_IDS), "title": [n.title() for n in ITEM_IDS],
        "category": ["Food"] * 5, "price": [1.0] * 5, "image_url": [None] * 5,
    })  # fmt: skip
    fallbacks = pa.table({
        "placement": ["home"], "segment": ["all"], "item_idx": pa.array([[day % 5]], pa.list_(pa.int32())),
        "scores": pa.array([[0.5]], pa.list_(pa.float32())),
    })  # fmt: skip
    build, blessing = folder / f"build-{day}", folder / f"blessing-{day}.json"
    manifest = write_snapshot(
        build, lists=[pa.RecordBatch.from_pylist(rows, schema=LISTS)], fallbacks=fallbacks, items=items,
        as_of=dt.date(2025, 12, 31) + dt.timedelta(days=day), shards=2, reasons=("own", "als"),
        n_eligible_users=len(USERS) + 1,
    )  # fmt: skip
    write_blessing(
        blessing, Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed", gates=[])
    )
    return Night(day, build, blessing, manifest)


def publish(store: Store, made: Night) -> str:
    """The night's snapshot in the store, not yet current."""
    return store.publish(made.build, blessing=made.blessing).snapshot


def run(store: Store, made: Night, *, by: str = "") -> Pointer:
    """The night's snapshot in the store and current."""
    publish(store, made)
    return flip(store, made, by=by)


def flip(store: Store, made: Night, *, by: str = "") -> Pointer:
    """The night's snapshot current, by someone who just looked."""
    return store.flip(made.id, expected=store.pointer(), by=by or f"night-{made.day}", reason=f"{made.day}", at=AT)


@dataclass
class Readers:
    """What readers saw while they ran.

    Attributes:
        n: answers.
        snapshots: ids they came from.
        wrong: answers that were not wholly of the one snapshot that they named, or not the user's own.
        failed: errors.
        users: whose lists are read, beside somebody unknown.
    """

    n: int = 0
    snapshots: set[str] = field(default_factory=set)
    wrong: list[TopN] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    users: Sequence[str] = USERS

    def look(self, lists: Lists, nights: dict[str, Night]) -> None:
        """One page for all users and one for somebody unknown, each checked."""
        try:
            made = lists.get_many([*self.users, NOBODY], 3, "home")
        except LarderError as error:
            self.failed.append(repr(error))
            return
        self.n += len(made)
        self.snapshots |= {one.snapshot for one in made}
        if len({one.snapshot for one in made}) != 1:
            self.wrong += made
        for one in made:
            whose = "popular" if one.user_id == NOBODY else "personal"
            if one.items != nights[one.snapshot].items(one.user_id) or one.source != whose:
                self.wrong.append(one)


@contextmanager
def reading(
    open_store: Callable[[], Store], nights: list[Night], *, n: int = 2, users: Sequence[str] = USERS
) -> Iterator[Readers]:
    """A block during which `n` threads read all the time; each has read at least once before it begins and ends."""
    seen, stop, by_id = Readers(users=users), threading.Event(), {one.id: one for one in nights}
    counts: list[Any] = [0] * n

    def read(number: int) -> None:
        lists = Lists(open_store())
        while not stop.is_set():
            seen.look(lists, by_id)
            counts[number] += 1
            stop.wait(0.0005)  # a reader that never waits keeps the interpreter from whoever flips

    threads = [threading.Thread(target=read, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    try:
        _wait_for_more(counts, threads)
        yield seen
        _wait_for_more(counts, threads)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_until(is_so: Callable[[], bool], seen: Readers) -> None:
    """Returns when it is so, or when a reader saw what it must not see."""
    while not is_so() and not seen.wrong and not seen.failed:
        threading.Event().wait(0.001)


def _wait_for_more(counts: list[int], threads: list[threading.Thread]) -> None:
    before = list(counts)
    while any(now <= old for now, old in zip(counts, before, strict=True)) and all(t.is_alive() for t in threads):
        threading.Event().wait(0.001)
