"""A night of a copied root, spoilt in one way and published; no Java process."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from contracts.tables import Table
from export.blessing import Blessing, write_blessing
from export.format.manifest import read_manifest
from jobs.paths import layout_of
from jobs.publishing import publish_snapshot, stage_snapshot
from models import als, artifact, ranker

Plant = Callable[[Layout, dt.date], None]


def spoil(root: Path, settings: Settings, day: dt.date, plant: Plant | None) -> None:
    """A copy of `root` at the root of `settings`, whose night `plant` changed before it was staged and published."""
    layout = layout_of(settings)
    for name in ("lake", "artifacts"):
        shutil.copytree(root / name, layout.root / name)
    if plant is not None:
        plant(layout, day)
    stage_snapshot.run(settings, as_of=day)
    manifest = read_manifest(layout.root / "staging" / day.isoformat())
    blessing = Blessing(as_of=day, manifest_sha256=manifest.sha256, verdict="blessed")
    layout.blessings.mkdir()
    write_blessing(layout.blessings / f"{day.isoformat()}.json", blessing)
    publish_snapshot.run(settings, as_of=day)


def two_users_swapped(layout: Layout, day: dt.date) -> None:
    """The first two users have each other's lists."""
    rows = _rows(layout, tables.TOP_N_LISTS, day)
    first, second = sorted(set(rows["user_id"].to_pylist()))[:2]
    other = {first: second, second: first}
    _replace(layout, tables.TOP_N_LISTS, day, rows, "user_id", [other.get(u, u) for u in rows["user_id"].to_pylist()])


def items_shifted(layout: Layout, day: dt.date) -> None:
    """Each item of the catalogue has the id of the next one."""
    rows = _rows(layout, tables.ITEMS, day).sort_by("item_idx")
    ids = rows["item_id"].to_pylist()
    _replace(layout, tables.ITEMS, day, rows, "item_id", [*ids[1:], ids[0]])


def booster_of_another_placement(layout: Layout, day: dt.date) -> None:
    """The ranker beside the lists is not the one that made those of home."""
    folder = layout.artifact("ranker", day)
    boosters = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.txt")}
    boosters["night-home"] = boosters["night-discover"]
    ranker.save(folder, boosters, about=artifact.about(folder))


def users_shifted(layout: Layout, day: dt.date) -> None:
    """Each user has the lists of the next one."""
    rows = _rows(layout, tables.TOP_N_LISTS, day)
    ids = sorted(set(rows["user_id"].to_pylist()))
    after = dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    _replace(layout, tables.TOP_N_LISTS, day, rows, "user_id", [after[u] for u in rows["user_id"].to_pylist()])


def factors_of_the_next_user(layout: Layout, day: dt.date) -> None:
    """Each user has the ALS factors of another."""
    folder = layout.artifact("als", day)
    names = {path.stem.removesuffix("_users") for path in folder.glob("*_users.npy")}
    kept = {name: als.load(folder, name) for name in names}
    moved = {name: als.Factors(np.roll(one.users, 1, axis=0), np.array(one.items)) for name, one in kept.items()}
    als.save(folder, moved, about=artifact.about(folder))


def fallbacks_reversed(layout: Layout, day: dt.date) -> None:
    """Each fallback list of the table backwards."""
    rows = _rows(layout, tables.FALLBACK_LISTS, day)
    backwards = [items[::-1] for items in rows["item_idx"].to_pylist()]
    _replace(layout, tables.FALLBACK_LISTS, day, rows, "item_idx", pa.array(backwards, pa.list_(pa.int32())))


def candidates_lost(layout: Layout, day: dt.date) -> None:
    """The first user has no candidates."""
    rows = _rows(layout, tables.CANDIDATES, day)
    _write(layout, tables.CANDIDATES, day, rows.filter(pc.field("user_idx") > 0))


def histories_lost(layout: Layout, day: dt.date) -> None:
    """The first user has no history."""
    rows = _rows(layout, tables.HISTORIES, day)
    _write(layout, tables.HISTORIES, day, rows.filter(pc.field("user_idx") > 0))


def _rows(layout: Layout, table: Table, day: dt.date) -> pa.Table:
    dataset = deltalake.DeltaTable(str(layout.table(table))).to_pyarrow_dataset()
    return dataset.to_table(filter=pc.field("as_of") == day)


def _replace(layout: Layout, table: Table, day: dt.date, rows: pa.Table, column: str, values: Any) -> None:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    _write(layout, table, day, rows.set_column(rows.schema.get_field_index(column), column, array))


def _write(layout: Layout, table: Table, day: dt.date, rows: pa.Table) -> None:
    where = f"as_of = '{day.isoformat()}'"
    deltalake.write_deltalake(str(layout.table(table)), rows, mode="overwrite", predicate=where)
