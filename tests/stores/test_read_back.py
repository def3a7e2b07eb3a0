from __future__ import annotations

import datetime as dt
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from rich.console import Console

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from export.blessing import Blessing, write_blessing
from export.format.manifest import read_manifest
from export.snapshot import write_snapshot
from export.stores.opening import store_of
from jobs.commands.status_screen import show_status
from jobs.evaluation import choosing, read_back
from jobs.publishing.stage_snapshot import staged
from jobs.status import status
from models.contest import Contest

AS_OF = dt.date(2026, 3, 1)
USERS = {0: "zoe", 1: "ann", 2: "bob", 3: "new"}
ITEMS = {0: "milk", 1: "bread", 2: "jam", 3: "tea"}
# What a night holds as a frame: indices, best first. Bob has no list for discover; new has none at all.
FRAME = [("home", 0, [2, 0]), ("home", 1, [1, 3, 0]), ("home", 2, [3]), ("discover", 0, [1]), ("discover", 1, [0, 2])]
FALLBACKS = [("home", "all", [0, 1]), ("discover", "all", [3]), ("discover", "north", [2, 1])]


def _lists() -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [
        {
            "user_id": USERS[user], "placement": placement, "segment": "north", "item_idx": items,
            "scores": [float(-n) for n in range(len(items))], "reasons": [0] * len(items), "anchors": [-1] * len(items),
        }
        for placement, user, items in FRAME
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows)


def _build(directory: Path) -> None:
    fallbacks = [{"placement": p, "segment": s, "item_idx": i, "scores": [1.0] * len(i)} for p, s, i in FALLBACKS]
    items = [
        {"item_idx": idx, "item_id": item, "title": item, "category": None, "price": None, "image_url": None}
        for idx, item in ITEMS.items()
    ]
    write_snapshot(
        directory, lists=[_lists()], fallbacks=pa.Table.from_pylist(fallbacks), items=pa.Table.from_pylist(items),
        as_of=AS_OF, shards=2, reasons=["popular"], n_eligible_users=4, systems={"discover": "popular"},
    )  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Settings, Layout]:
    """A root with vocabularies and a staged snapshot, nothing published."""
    layout = Layout(tmp_path)
    for table, kind, ids in ((tables.USER_VOCABULARY, "user", USERS), (tables.ITEM_VOCABULARY, "item", ITEMS)):
        columns = {f"{kind}_idx": pa.array(list(ids), pa.int32()), f"{kind}_id": list(ids.values())}
        write_deltalake(str(layout.table(table)), pa.table(columns))
    _build(staged(layout, AS_OF))
    return Settings(root=str(tmp_path)), layout


def _publish(settings: Settings, layout: Layout, *, is_served: bool) -> str:
    manifest = read_manifest(staged(layout, AS_OF))
    layout.blessings.mkdir(exist_ok=True)
    path = layout.blessings / "blessing.json"
    write_blessing(path, Blessing(as_of=AS_OF, manifest_sha256=manifest.sha256, verdict="blessed", gates=[]))
    store = store_of(settings.store, layout)
    store.publish(staged(layout, AS_OF), blessing=path)
    if is_served:
        store.flip(manifest.snapshot_id, expected=None, by="test", reason="night", at="2026-03-02T02:00:00+00:00")
    return manifest.snapshot_id


def test_lists_read_back_are_those_of_the_frame(shop: tuple[Settings, Layout]) -> None:
    """Item by item and user by user; who has no list is answered with that of the segment, or the popular one."""
    settings, layout = shop
    _publish(settings, layout, is_served=True)
    found = read_back.published(settings, layout, AS_OF)
    assert found is not None
    table = read_back.lists_of(layout, found.reader, np.array([3, 1, 0, 2], np.int32), ["home", "discover", "mail"])
    rows = {(row["placement"], row["user_idx"]): row["item_idx"] for row in table.to_pylist()}
    expected = {(placement, user): items for placement, user, items in FRAME}
    assert {key: rows[key] for key in expected} == expected
    assert {key: rows[key] for key in rows.keys() - expected.keys()} == {
        ("discover", 2): [2, 1], ("home", 3): [0, 1], ("discover", 3): [3],
    }  # fmt: skip
    assert table["placement"].to_pylist() == ["discover"] * 4 + ["home"] * 4
    one = read_back.lists_of(layout, found.reader, np.array([1], np.int32), ["home"], length=2)
    assert one.to_pylist() == [{"placement": "home", "user_idx": 1, "item_idx": [1, 3]}]


def test_only_what_was_published_counts(shop: tuple[Settings, Layout]) -> None:
    """Staged lists are not published ones, and those of another day are not this day's."""
    settings, layout = shop
    assert read_back.published(settings, layout, AS_OF) is None
    snapshot = _publish(settings, layout, is_served=False)
    found = read_back.published(settings, layout, AS_OF)
    assert str(found) == f"read back from the store, snapshot {snapshot}"
    assert read_back.published(settings, layout, AS_OF - dt.timedelta(days=1)) is None


def test_what_the_store_does_not_keep_is_read_from_its_staged_bytes(shop: tuple[Settings, Layout]) -> None:
    """They have the very id that was served; bytes staged anew with other lists do not count."""
    settings, layout = shop
    snapshot = _publish(settings, layout, is_served=True)
    for path in (layout.store / "snapshots" / snapshot).iterdir():
        path.unlink()
    found = read_back.published(settings, layout, AS_OF)
    assert str(found) == f"read back from the staged bytes of what was served, snapshot {snapshot}"
    FRAME.append(("discover", 2, [0]))
    try:
        _build(staged(layout, AS_OF))
    finally:
        FRAME.pop()
    assert read_back.published(settings, layout, AS_OF) is None


def test_a_manifest_says_whose_lists_a_placement_has(shop: tuple[Settings, Layout]) -> None:
    """The source that took the place of the two-stage lists; for those nothing is written."""
    _, layout = shop
    placements = read_manifest(staged(layout, AS_OF)).placements
    assert {name: entry.system for name, entry in placements.items()} == {"home": "two_stage", "discover": "popular"}
    assert (staged(layout, AS_OF) / "manifest.json").read_text(encoding="utf-8").count('"system"') == 1


def test_the_status_says_whose_lists_are_served(shop: tuple[Settings, Layout]) -> None:
    """As long as the night's snapshot is the one that is served."""
    settings, layout = shop
    _publish(settings, layout, is_served=True)
    now = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    assert status(settings, now=now).unearned == []
    values = np.tile([0.3, 0.28], (40, 1))
    values[0, 1] = 0.27
    users = np.arange(40, dtype=np.int32)
    contest = Contest(("popular", "two_stage"), [(users, values)], resamples=100, seed=1)
    choosing.write(layout, choosing.choose({"discover": contest}, settings, as_of=AS_OF, n_windows=1))
    found = status(settings, now=now)
    (told,) = found.unearned
    assert told.startswith(
        "discover: ndcg_10 of the two-stage lists minus that of source popular, 95 % of it from -0.02"
    )
    assert told.endswith("; the lists of source popular are published")
    screen = StringIO()
    show_status(Console(width=200, file=screen), found)
    assert f"Not the two-stage lists: {told}" in screen.getvalue()
