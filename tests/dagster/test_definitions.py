from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contracts import tables
from contracts.report import JobReport
from contracts.tables import Column, Table
from dagster_project import metadata
from dagster_project.definitions import defs
from dagster_project.lineage import as_text, lineage_of
from dagster_project.nightly import FIRST_DAY_TAG, days_of

REVIEWED = Path(__file__).parent / "lineage.json"
LINEAGE = lineage_of(defs)
ASSETS: dict[str, Any] = LINEAGE["assets"]


def upstream(name: str) -> set[str]:
    """Every asset that `name` is made of."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for parent in ASSETS[waiting.pop()]["depends_on"]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_the_graph_is_the_reviewed_one() -> None:
    """The reviewed file has this graph; after a change: python -m dagster_project.lineage <this file>."""
    assert as_text(LINEAGE) == REVIEWED.read_text(encoding="utf-8")


def test_landing_reaches_the_digest() -> None:
    """The graph is connected: all but quarantines, the ledger and what came of earlier lists reaches the digest."""
    beside = {"quarantine", "backtests", "landing_outcomes", "outcomes", "outcome_quarantine", "outcome_rates"}
    beside |= {"recall_ledger", "extreme_users", "night_report"}
    assert set(ASSETS) - upstream("digest") - {"digest"} == beside


def test_every_table_is_an_asset() -> None:
    """Each table of the contracts is an asset with the contract's columns, in order of the file's sorting."""
    for table in tables.ALL:
        assert set(ASSETS[table.name]["columns"]) == set(table.column_names)


def test_column_lineage_names_columns_that_are_there() -> None:
    """Each column that is derived names columns of assets, and of no asset downstream of it."""
    for name, asset in ASSETS.items():
        for sources in asset["columns"].values():
            for source in sources:
                parent, column = source.split(".")
                assert column in ASSETS[parent]["columns"]
                assert parent == name or name not in upstream(parent)


def test_every_asset_has_group_owner_and_kinds() -> None:
    """No asset lies in Dagster's default group, or is without owner, kind or description."""
    graph = defs.resolve_asset_graph()
    for name, asset in ASSETS.items():
        assert asset["group"] != "default"
        assert asset["owners"] == ["team:recommendations"]
        assert asset["kinds"]
        assert graph.get(dg.AssetKey(name)).description


def test_staged_tables_have_blocking_checks() -> None:
    """Events, items and top_n_lists each have one check, and it blocks."""
    checked = {name for name, asset in ASSETS.items() if asset["blocking_checks"]}
    assert checked == {"events", "items", "top_n_lists"}
    graph = defs.resolve_asset_graph()
    assert len(graph.asset_check_keys) == 3
    assert all(graph.get_check_spec(key).blocking for key in graph.asset_check_keys)


def test_a_range_is_one_run() -> None:
    """Every asset that is made has daily partitions and a policy of one run for a range."""
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
        assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_the_schedule_asks_for_yesterday() -> None:
    """At 02:00 UTC on 2 March 2024 the schedule asks for one run, of the partition 2024-03-01."""
    schedule = defs.resolve_schedule_def("nightly_schedule")
    assert schedule.cron_schedule == "0 2 * * *"
    at = dt.datetime(2024, 3, 2, 2, tzinfo=dt.UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
        )
        tick = schedule.evaluate_tick(context)
    assert [request.partition_key for request in tick.run_requests or []] == ["2024-03-01"]


@pytest.mark.parametrize(
    ("tags", "first", "last"),
    [
        ({"dagster/partition": "2024-03-01"}, "2024-03-01", "2024-03-01"),
        ({"dagster/partition": "2024-03-01", FIRST_DAY_TAG: "2022-01-01"}, "2022-01-01", "2024-03-01"),
        (
            {"dagster/asset_partition_range_start": "2024-02-01", "dagster/asset_partition_range_end": "2024-03-01"},
            "2024-02-01",
            "2024-03-01",
        ),
    ],
)
def test_days_of_a_run(tags: dict[str, str], first: str, last: str) -> None:
    """A run's days come from its partition, its range, or the first day asked for beside a partition."""
    assert days_of(tags) == (dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def test_a_run_without_partition_is_refused() -> None:
    """Without a partition there is no date to be true for."""
    with pytest.raises(dg.Failure, match="no partition"):
        days_of({})


def test_a_report_becomes_plottable_metadata() -> None:
    """Counts are ints, numbers and seconds floats, a NaN is left out, the own count is the row count."""
    report = JobReport(
        job="j", as_of=dt.date(2024, 3, 1), rows={"read": 5, "kept": 4},
        numbers={"share": 0.25, "odd": float("nan")}, details={"note": "fine"}, seconds=1.5,
    )  # fmt: skip
    made = metadata.of_report(report, rows="kept")
    assert made["read"] == dg.MetadataValue.int(5)
    assert made["share"] == dg.MetadataValue.float(0.25)
    assert made["seconds"] == dg.MetadataValue.float(1.5)
    assert "odd" not in made
    assert (made["dagster/row_count"], made["note"], made["as_of"]) == (4, "fine", "2024-03-01")


def test_a_table_becomes_schema_and_lineage() -> None:
    """Columns keep type, nullability and sentence; a derived one names its source."""
    table = Table(
        "sums",
        "One sum.",
        (
            Column("a", "int", "A.", derived_from=("events.price",)),
            Column("b", "string", "B.", nullable=True),
        ),
        key=("a",),
    )
    made = metadata.of_table(table)
    first, second = made["dagster/column_schema"].columns
    assert (first.name, first.type, first.description, first.constraints.nullable) == ("a", "int", "A.", False)
    assert (second.constraints.nullable, first.constraints.unique) == (True, True)
    assert made["dagster/column_lineage"].deps_by_column == {
        "a": [dg.TableColumnDep(asset_key=dg.AssetKey("events"), column_name="price")]
    }


def test_the_reviewed_file_is_json() -> None:
    """The file can be read by tools: assets, jobs and schedules at the top."""
    assert set(json.loads(REVIEWED.read_text(encoding="utf-8"))) == {"assets", "jobs", "schedules"}
