"""The graph as plain data, for the reviewed file that pins it. `python -m dagster_project.lineage FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg


def lineage_of(defs: dg.Definitions) -> dict[str, Any]:
    """Every asset with its group, owners, kinds, dependencies, checks and columns' sources, sorted by name."""
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "owners": sorted(node.owners),
            "kinds": sorted(node.kinds),
            "depends_on": sorted(parent.to_user_string() for parent in node.parent_keys),
            "blocking_checks": sorted(check.name for check in node.check_keys),
            "columns": _columns(node.metadata),
        }
    schedules = {s.name: s.cron_schedule for s in defs.schedules or [] if isinstance(s, dg.ScheduleDefinition)}
    return {"assets": assets, "jobs": sorted(job.name for job in defs.jobs or []), "schedules": schedules}


def as_text(lineage: dict[str, Any]) -> str:
    """The file's text: one fact a line, so that a review shows what changed."""
    return json.dumps(lineage, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _columns(metadata: Any) -> dict[str, list[str]]:
    schema, lineage = metadata.get("dagster/column_schema"), metadata.get("dagster/column_lineage")
    sources = _value(lineage).deps_by_column if lineage is not None else {}
    names = [column.name for column in _value(schema).columns] if schema is not None else []
    return {
        name: [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in sources.get(name, [])] for name in names
    }


def _value(entry: Any) -> Any:
    return entry.value if isinstance(entry, dg.MetadataValue) else entry


if __name__ == "__main__":
    from dagster_project.definitions import defs as definitions

    Path(sys.argv[1]).write_text(as_text(lineage_of(definitions)), encoding="utf-8")
