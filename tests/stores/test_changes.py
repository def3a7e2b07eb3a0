from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from contracts import tables
from contracts.errors import InputMissing, SnapshotCorrupt
from contracts.layout import Layout
from contracts.settings import Settings
from export.format.manifest import Manifest
from export.stores.local import LocalStore
from export.stores.state import Channels
from jobs import lake
from jobs.configuration import configured
from jobs.evaluation.change_gates import change_gates, rows_of
from jobs.publishing import measure_changes
from tests.stores.comparisons import FORTY_ITEMS, N_TWENTY, twenty
from tests.stores.conftest import AT, bless, build_snapshot

EVE: Final = dt.date(2026, 1, 1)
DAY: Final = dt.date(2026, 1, 2)
FALLBACKS: Final = pa.table({
    "placement": ["home"], "segment": ["all"], "item_idx": pa.array([[0]], pa.list_(pa.int32())),
    "scores": pa.array([[0.5]], pa.list_(pa.float32())),
})  # fmt: skip


class Shop:
    """A root in which nights of twenty users are staged, published and flipped."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root)
        self.settings: Settings = configured({}, config=None, root=str(root))
        self.store = LocalStore(self.layout.store)

    def stage(self, day: dt.date, lists: list[dict[str, Any]], **other: Any) -> Manifest:
        """A night's lists, staged."""
        given = {"items": FORTY_ITEMS, "fallbacks": FALLBACKS, "n_eligible_users": N_TWENTY, **other}
        return build_snapshot(self.root / "staging" / day.isoformat(), day=day.day, rows=lists, **given)

    def publish(self, day: dt.date, lists: list[dict[str, Any]], *, is_flipped: bool = True) -> str:
        """A night's lists, published; the snapshot's id."""
        manifest = self.stage(day, lists)
        blessing = bless(self.root / "blessing.json", manifest)
        snapshot = self.store.publish(self.root / "staging" / day.isoformat(), blessing=blessing).snapshot
        if is_flipped:
            self.store.flip(snapshot, expected=self.store.pointer(), by=f"{day}", reason="night", at=AT)
        return snapshot

    def levels(self, manifest: Manifest) -> dict[str, str]:
        """The verdict on each number of the night."""
        rows = rows_of(self.layout, DAY, manifest.snapshot_id)
        made = change_gates(rows, list(manifest.placements), self.settings.gates.changes)
        return {gate.name: gate.level for gate in made}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty root."""
    return Shop(tmp_path / "root")


def test_a_mix_up_of_users_is_red_by_overlap_alone(shop: Shop) -> None:
    """Each user gets the next one's list: as many users, the same items as often, and no overlap."""
    served = shop.publish(EVE, twenty())
    manifest = shop.stage(DAY, twenty(shift=1))
    report = measure_changes.run(shop.settings, as_of=DAY)
    assert report.details["before"] == served
    assert report.rows == {"users_compared": 20, "changes_written": 15}
    numbers = report.numbers
    assert (numbers["home_overlap_median"], numbers["home_top5_changed"]) == (0.0, 1.0)
    assert (numbers["home_items_moved"], numbers["home_users_gone"], numbers["home_fallback_growth"]) == (0.0, 0.0, 0.0)
    assert {name for name, level in shop.levels(manifest).items() if level == "red"} == {
        "top5_changed", "overlap_median", "overlap_p10",
    }  # fmt: skip


def test_another_system_is_told(shop: Shop) -> None:
    """Lists of a source in place of the two-stage ones: the number says so, and the overlap warns only."""
    shop.publish(EVE, twenty())
    manifest = shop.stage(DAY, twenty(shift=1), systems={"home": "own"})
    assert measure_changes.run(shop.settings, as_of=DAY).numbers["home_system_changed"] == 1.0
    assert shop.levels(manifest)["overlap_median"] == "yellow"


def test_users_who_are_lost_are_red_without_any_overlap_lost(shop: Shop) -> None:
    """Five of twenty users have no list any more; the others' lists are as they were."""
    shop.publish(EVE, twenty())
    manifest = shop.stage(DAY, twenty()[:15])
    numbers = measure_changes.run(shop.settings, as_of=DAY).numbers
    assert (numbers["home_users_gone"], numbers["home_fallback_growth"], numbers["home_overlap_p10"]) == (0.25, 0.25, 1)
    assert shop.levels(manifest)["users_gone"] == shop.levels(manifest)["fallback_growth"] == "red"
    assert shop.levels(manifest)["overlap_median"] == "green"


def test_a_first_night_has_nothing_to_be_compared_with(shop: Shop) -> None:
    """Nothing is served: no number, and the gate is green and says why."""
    manifest = shop.stage(DAY, twenty())
    report = measure_changes.run(shop.settings, as_of=DAY)
    assert report.details["before"] == "nothing: the first night"
    assert report.numbers == {"placements_gone": 0.0}
    assert shop.levels(manifest) == {"changes": "green"}


def test_a_night_run_again_after_its_flip_finds_the_same(shop: Shop) -> None:
    """What is served is tonight's own: it is compared with what was served before, and the table is the same."""
    shop.publish(EVE, twenty())
    manifest = shop.stage(DAY, twenty(shift=1))
    first = measure_changes.run(shop.settings, as_of=DAY)
    rows = rows_of(shop.layout, DAY, manifest.snapshot_id)
    shop.publish(DAY, twenty(shift=1))
    again = measure_changes.run(shop.settings, as_of=DAY)
    assert (again.numbers, again.details) == (first.numbers, first.details)
    assert rows_of(shop.layout, DAY, manifest.snapshot_id) == rows
    assert lake.dates(shop.layout, tables.CHANGES) == [DAY]


def test_the_report_has_the_most_changed_users(shop: Shop) -> None:
    """The file beside the table has the whole diff, with both lists of five users."""
    shop.publish(EVE, twenty())
    shop.stage(DAY, twenty(shift=1))
    path = Path(measure_changes.run(shop.settings, as_of=DAY).details["diff"])
    assert path == shop.root / "reports" / "changes-2026-01-02.json"
    most = json.loads(path.read_bytes())["stable"]["placements"]["home"]["most_changed"]
    assert [one["user_id"] for one in most] == [f"user-{i:02d}" for i in range(5)]
    assert most[0]["before"][0] == {"item_id": "item-00", "title": "Item 0"}


def test_a_shadow_is_compared_with_what_is_served_and_never_judged(shop: Shop) -> None:
    """Its numbers stand beside the night's under its channel; a bad shadow holds nothing and stays unserved."""
    served = shop.publish(EVE, twenty())
    shadow = shop.publish(dt.date(2026, 1, 3), twenty(shift=1), is_flipped=False)
    shop.store.rollout(Channels(shadow=shadow), by="rollout", reason="try", at=AT)
    manifest = shop.stage(DAY, twenty())
    report = measure_changes.run(shop.settings, as_of=DAY)
    assert (report.numbers["home_overlap_median"], report.numbers["shadow_home_overlap_median"]) == (1.0, 0.0)
    assert (report.details["before"], report.details["shadow"]) == (served, shadow)
    assert set(shop.levels(manifest).values()) == {"green"}
    pointer = shop.store.pointer()
    assert pointer is not None
    assert pointer.snapshot == served


def test_a_damaged_shadow_costs_its_comparison_alone(shop: Shop) -> None:
    """It is named in the report; the night's own numbers are there."""
    shop.publish(EVE, twenty())
    shadow = shop.publish(dt.date(2026, 1, 3), twenty(shift=1), is_flipped=False)
    shop.store.rollout(Channels(shadow=shadow), by="rollout", reason="try", at=AT)
    (shop.layout.store / "snapshots" / shadow / "items.bin").write_bytes(b"no items")
    shop.stage(DAY, twenty())
    report = measure_changes.run(shop.settings, as_of=DAY)
    assert report.details["shadow"].startswith(f"{shadow} could not be compared: SnapshotCorrupt: ")
    assert not [name for name in report.numbers if name.startswith("shadow")]
    assert report.numbers["home_overlap_median"] == 1.0


def test_a_damaged_served_snapshot_is_an_error(shop: Shop) -> None:
    """There is nothing sound to compare with, and no number is made up."""
    served = shop.publish(EVE, twenty())
    (shop.layout.store / "snapshots" / served / "items.bin").write_bytes(b"no items")
    shop.stage(DAY, twenty())
    with pytest.raises(SnapshotCorrupt):
        measure_changes.run(shop.settings, as_of=DAY)


def test_changes_of_other_bytes_are_refused(shop: Shop) -> None:
    """Lists that were staged again after they were compared: the gates ask for a new comparison."""
    shop.publish(EVE, twenty())
    shop.stage(DAY, twenty())
    measure_changes.run(shop.settings, as_of=DAY)
    manifest = shop.stage(DAY, twenty(shift=1))
    with pytest.raises(InputMissing, match=rf"but {manifest.snapshot_id} is staged"):
        rows_of(shop.layout, DAY, manifest.snapshot_id)


def test_nothing_staged_is_an_error(shop: Shop) -> None:
    """The error names the date and the verb that stages."""
    with pytest.raises(InputMissing, match="No snapshot is staged for 2026-01-02"):
        measure_changes.run(shop.settings, as_of=DAY)


def test_each_night_has_its_own_rows(shop: Shop) -> None:
    """A second night adds its date to the table and leaves the first one's rows as they were."""
    shop.publish(EVE, twenty())
    manifest = shop.stage(DAY, twenty(shift=1))
    measure_changes.run(shop.settings, as_of=DAY)
    rows = rows_of(shop.layout, DAY, manifest.snapshot_id)
    shop.stage(dt.date(2026, 1, 3), twenty())
    measure_changes.run(shop.settings, as_of=dt.date(2026, 1, 3))
    assert rows_of(shop.layout, DAY, manifest.snapshot_id) == rows
    assert lake.dates(shop.layout, tables.CHANGES) == [DAY, dt.date(2026, 1, 3)]
