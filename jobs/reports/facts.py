"""What the tables, the gates and the store say of one night: read from what is there, without a Java process."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.dataset as pads

from contracts import tables
from contracts.errors import InputInvalid, LarderError
from contracts.layout import Layout
from contracts.settings import Settings
from contracts.tables import Table
from export.blessing import Blessing, read_blessing
from export.format.manifest import Manifest, read_manifest
from export.stores.opening import store_of
from export.stores.state import Pointer
from jobs import lake
from jobs.evaluation import choosing
from jobs.evaluation.choosing import Choices
from jobs.parquet_rows import dataset
from jobs.publishing.stage_snapshot import staged
from models import artifact

Row = dict[str, Any]
WHOLE: Final = (
    tables.METRICS, tables.THRESHOLDS, tables.FAIRNESS, tables.RELIABILITY, tables.RECALL_LEDGER, tables.RULE_EFFECTS,
    tables.CHANGES, tables.OUTCOME_RATES, tables.EXTREME_USERS,
)  # fmt: skip
"""Small tables, which do not grow with users or items."""
MOST_ROWS: Final = 200_000
OBJECTIVES: Final = "objectives-????-??-??.json"


@dataclass(frozen=True, slots=True)
class Served:
    """What the store says.

    Attributes:
        pointer: None before the first flip, or where the store cannot be asked.
        failure: why it cannot be asked; empty where it was.
    """

    pointer: Pointer | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Night:
    """All that a page tells of one night.

    Attributes:
        settings: of the shop.
        as_of: the night.
        rows: rows by table, without `as_of`, in the order of the key; none where the table or its date is not there.
        manifest: of the staged snapshot, None where none is staged.
        blessing: the gates' verdict, None where they did not judge.
        choices: whose lists each placement publishes, None where nothing was evaluated.
        served: what the store says.
        titles: title by item index, of the items in `extreme_users`.
        flagged: users beyond each limit of traffic, and `all`; None where nobody looked.
        sweep: what `larder objectives` last wrote, None where it was not run by that night.
        artifacts: first 12 hex digits of the SHA-256 of each artifact, by kind.
        recipe: what the ranker says of itself.
    """

    settings: Settings
    as_of: dt.date
    rows: dict[str, list[Row]]
    manifest: Manifest | None
    blessing: Blessing | None
    choices: Choices | None
    served: Served
    titles: dict[int, tuple[str, str]]
    flagged: dict[str, int] | None
    sweep: Row | None
    artifacts: dict[str, str]
    recipe: Row

    def of(self, table: Table) -> list[Row]:
        """The rows of a table."""
        return self.rows[table.name]

    @property
    def k(self) -> int:
        """Cutoff of the headline metrics."""
        return self.settings.evaluation.k


def read(settings: Settings, layout: Layout, as_of: dt.date) -> Night:
    """The facts of a night; what is not there is empty.

    Raises:
        ArtifactCorrupt: the choices or a manifest cannot be read.
        InputInvalid: the log of a table cannot be read.
        SnapshotCorrupt: the staged manifest is damaged.
        PublishRefused: the verdict of the gates cannot be read.
    """
    directory, verdict = staged(layout, as_of), layout.blessings / f"{as_of.isoformat()}.json"
    rows = {table.name: rows_of(layout, table, as_of) for table in WHOLE}
    shown = {item for row in rows["extreme_users"] for item in (*row["listed"], *row["taken"])}
    return Night(
        settings=settings,
        as_of=as_of,
        rows=rows,
        manifest=read_manifest(directory) if directory.is_dir() else None,
        blessing=read_blessing(verdict) if verdict.is_file() else None,
        choices=choosing.read(layout, as_of),
        served=served_by(settings, layout),
        titles=_titles(layout, as_of, sorted(shown)),
        flagged=_flagged(layout, as_of),
        sweep=_sweep(layout, as_of),
        artifacts=_artifacts(layout, as_of),
        recipe=_recipe(layout, as_of),
    )


def rows_of(layout: Layout, table: Table, as_of: dt.date, *, only: pads.Expression | None = None) -> list[Row]:
    """The rows of one date of a small table without `as_of`, by key; none where there are none.

    Columns that the files of an older night lack are null.

    Raises:
        InputInvalid: there are more than MOST_ROWS of them.
    """
    paths = [file.path for file in lake.files(layout, table, first=as_of, last=as_of)]
    if not paths:
        return []
    data = dataset(paths)
    columns = [name for name in table.column_names if name in data.schema.names]
    n = data.count_rows(filter=only)
    if n > MOST_ROWS:
        raise InputInvalid(
            f"The table {table.name} has {n:,} rows as of {as_of}, more than a page can tell.",
            where=str(layout.table(table)), todo="Look into why the table is so large.",
        )  # fmt: skip
    keys = [name for name in table.key if name in columns]
    found: list[Row] = data.to_table(columns=columns, filter=only).to_pylist()
    lacking = dict.fromkeys(name for name in table.column_names if name not in (*columns, "as_of"))
    told = [{**lacking, **row} for row in found]
    return sorted(
        told, key=lambda row: [(row[name] is not None, "" if row[name] is None else row[name]) for name in keys]
    )


def served_by(settings: Settings, layout: Layout) -> Served:
    """What the store says; a store that cannot be asked is told on the page, which is needed then most."""
    try:
        return Served(store_of(settings.store, layout).pointer())
    except LarderError as error:
        return Served(None, f"{type(error).__name__}: {error.what}")


def newest(layout: Layout) -> dt.date | None:
    """The newest night of which there is something to tell."""
    days = [*lake.dates(layout, tables.METRICS), *(_day(path.stem) for path in layout.blessings.glob("*.json"))]
    folders = [path for path in (layout.root / "staging").glob("????-??-??") if path.is_dir()]
    return max([*days, *(_day(path.name) for path in folders)], default=None)


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _titles(layout: Layout, as_of: dt.date, items: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Id and title of each item by its index; row groups without one of them are not read."""
    if not items:
        return {}
    rows = lake.where(layout, tables.ITEMS, "item_idx", items, as_of=as_of)
    if not rows.num_rows:
        return {}
    columns = (rows[name].to_pylist() for name in ("item_idx", "item_id", "title"))
    return {idx: (item_id, title or "") for idx, item_id, title in zip(*columns, strict=True)}


def _flagged(layout: Layout, as_of: dt.date) -> dict[str, int] | None:
    """Users by limit, counted block by block: many may be flagged."""
    if not layout.artifact("traffic", as_of).is_dir():
        return None
    counts: Counter[str] = Counter(all=0)
    if lake.files(layout, tables.FLAGGED_USERS, first=as_of, last=as_of):
        for batch in lake.batches(layout, tables.FLAGGED_USERS, as_of, ["limits"]):
            counts["all"] += batch.num_rows
            counts.update(limit for limits in batch.column("limits").to_pylist() for limit in limits)
    return dict(counts)


def _sweep(layout: Layout, as_of: dt.date) -> Row | None:
    days = sorted(_day(path.stem[-10:]) for path in layout.root.glob(f"reports/{OBJECTIVES}"))
    known = [day for day in days if day <= as_of]
    if not known:
        return None
    path = layout.report(f"objectives-{known[-1]}.json")
    try:
        found: Row = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputInvalid(
            f"The sweep of the objectives cannot be read: {error}",
            where=str(path), todo="Run `larder objectives` again, or delete the file.",
        ) from error  # fmt: skip
    return found


def _artifacts(layout: Layout, as_of: dt.date) -> dict[str, str]:
    found = {}
    for kind in ("item_arrays", "als", "neighbours", "ranker"):
        folder = layout.artifact(kind, as_of)
        if folder.is_dir():
            found[kind] = artifact.sha256(folder)[:12]
    return found


def _recipe(layout: Layout, as_of: dt.date) -> Row:
    folder = layout.artifact("ranker", as_of)
    return dict(artifact.about(folder)) if folder.is_dir() else {}
