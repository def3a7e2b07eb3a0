"""Lists in the store beside the same lists made a second time, before anybody is served from them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from contracts.errors import HeldByGate, InputMissing, SnapshotMissing
from contracts.layout import Layout
from contracts.parity_section import Parity
from contracts.report import JobReport
from contracts.settings import Settings
from export.format.manifest import read_manifest
from export.stores.base import Reader, UserLists
from export.stores.opening import store_of
from export.stores.prefetching import find_all
from jobs.paths import layout_of
from jobs.publishing import parity_tables, parity_verdict
from jobs.publishing.parity_tally import Tally, examples
from jobs.publishing.parity_verdict import ParityVerdict
from jobs.publishing.second_kitchen import SecondKitchen
from jobs.publishing.stage_snapshot import staged
from models.parity.comparing import Difference
from models.parity.inputs import Shop

BLOCK_USERS: Final = 100
TAKEN_OVER: Final = (
    "histories, features of users and items, which items the sources proposed with rank and score (but scores of ALS), "
    "the trees of the boosters, anchors of reasons, fallback lists, how many lists showed each item, margins, "
    "which items a rule is about"
)


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The published snapshot of a date, some of whose users' lists were made again by `models.parity`.

    Users are drawn by a hash of seed, date and id; their lists of every placement are read from the store as a web
    server reads them. `reports/parity-<date>.json` has the verdict, which a flip asks for, and what differs. It reads
    the date's candidates once and holds the drawn users' rows; no Java process is started.

    Raises:
        HeldByGate: more users differ than `gates.parity.max_users_differing`; some of them are named.
        SnapshotMissing: the snapshot of that date was not published.
        InputMissing: a table or artifact of that date is not there.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    reader = _published(settings, layout, as_of)
    limits, tally = settings.gates.parity, Tally()
    if limits.users:
        _check(settings, layout, as_of, reader, tally)
    is_red = len(tally.differing) > limits.max_users_differing
    verdict = ParityVerdict(
        snapshot=reader.id, verdict="red" if is_red else "green" if limits.users else "off", users=tally.n_users,
        users_differing=len(tally.differing), differences=tally.told, by_kind=dict(tally.by_what),
    )  # fmt: skip
    path = parity_verdict.write(layout, as_of, verdict)
    if is_red:
        raise _held(tally, reader, limits, path)
    return JobReport(
        job="check_parity",
        as_of=as_of,
        rows=tally.rows,
        numbers={"users_differing_share": len(tally.differing) / max(tally.n_users, 1)},
        details={
            "snapshot": reader.id,
            "differences": str(path),
            "examples": examples(tally.told) or "none",
            "taken_over": TAKEN_OVER,
        },
        seconds=time.perf_counter() - started,
    )


def _held(tally: Tally, reader: Reader, limits: Parity, path: Path) -> HeldByGate:
    return HeldByGate(
        f"The lists of {len(tally.differing)} of {tally.n_users} users in {reader.id} are not what they are when "
        f"made again; the limit is {limits.max_users_differing}: {examples(tally.told)}.",
        where=str(path),
        todo="The previous snapshot stays current. See `parity is red` in docs/runbook.md; limits: [gates.parity].",
    )


def _published(settings: Settings, layout: Layout, as_of: dt.date) -> Reader:
    directory, store = staged(layout, as_of), store_of(settings.store, layout)
    if not directory.is_dir():
        raise InputMissing(
            f"No snapshot is staged for {as_of}.", where=str(directory), todo=f"Run `larder stage --as-of {as_of}`."
        )
    snapshot = read_manifest(directory).snapshot_id
    if snapshot not in store.snapshots():
        raise SnapshotMissing(
            f"The snapshot {snapshot} is not in the store.",
            where=store.where,
            todo=f"Run `larder publish --as-of {as_of}` first.",
        )
    return store.open(snapshot)


def _check(settings: Settings, layout: Layout, as_of: dt.date, reader: Reader, tally: Tally) -> None:
    shop = parity_tables.shop_of(settings, layout, as_of)
    users = parity_tables.drawn(layout, as_of, n=settings.gates.parity.users, seed=settings.seed)
    found = dict(zip(users.values(), find_all(reader, list(users.values())), strict=True))
    systems = {name: entry.system for name, entry in reader.manifest.placements.items()}
    usual = parity_tables.usual(layout, as_of, users)
    kitchen = SecondKitchen.of(settings, layout, as_of, shop, systems, usual)
    people = parity_tables.people(layout, as_of, users, shop)
    expected = set()
    while block := list(islice(people, BLOCK_USERS)):
        expected |= {person.user_id for person in block}
        kitchen.check(block, found, tally)
    tally.n_users = len(users)
    tally.add(_unexpected(user_id, lists) for user_id, lists in found.items() if lists and user_id not in expected)
    segments = parity_tables.segments(layout, as_of, users)
    tally.add(_segments(((users[user_idx], name) for user_idx, name in segments.items()), found))
    tally.add(_fallbacks(parity_tables.fallbacks(layout, as_of), reader, shop))


def _unexpected(user_id: str, lists: UserLists | None) -> Difference:
    del lists
    return Difference(
        user_id=user_id, placement="", position=0, what="user", expected="no own list", found="an own list"
    )


def _segments(segments: Iterable[tuple[str, str]], found: dict[str, UserLists | None]) -> Iterator[Difference]:
    for user_id, segment in segments:
        lists = found[user_id]
        if lists is not None and lists.segment != segment:
            yield Difference(
                user_id=user_id, placement="", position=0, what="segment", expected=segment, found=lists.segment
            )


def _fallbacks(lists: dict[tuple[str, str], Any], reader: Reader, shop: Shop) -> Iterator[Difference]:
    """Fallback lists are those of the table, item by item; their user is called after the segment."""
    for (placement, segment), items in sorted(lists.items()):
        expected = [shop.item_ids[item] for item in items]
        owner, rows = reader.fallback(placement, segment, len(expected) + 1)
        if owner != segment or rows.items != expected:
            places = zip(expected, rows.items, strict=False)
            position = next((at for at, (one, other) in enumerate(places, start=1) if one != other), 0)
            yield Difference(
                user_id=f"segment {segment}", placement=placement, position=position, what="fallback",
                expected=str(expected[position - 1] if position else len(expected)),
                found=str(rows.items[position - 1] if position else f"{len(rows.items)} of {owner}"),
            )  # fmt: skip
