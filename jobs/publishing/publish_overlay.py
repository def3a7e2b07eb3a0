"""Which items must not show from now on, published beside the snapshots without a new night."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from contracts.errors import InputInvalid, InputMissing, SnapshotMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.reading.overlay import Column, Overlay, encode_overlay
from export.reading.overlays import Beside, beside, publish_overlay
from export.stores.base import Reader, Store
from export.stores.opening import store_of
from jobs.ingest.landed import landed_days
from jobs.paths import layout_of
from jobs.shops import source_files

NO: Final = frozenset({"false", "f", "no", "n", "0"})
TABULAR: Final = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".ndjson", ".json")
CATALOGUE: Final = Column("out_of_stock")


def run(
    settings: Settings,
    *,
    files: Mapping[Column, Sequence[Path]],
    use_catalogue: bool,
    max_share: float,
    at: dt.datetime,
) -> JobReport:
    """The overlay beside the snapshots, in place of the last one.

    Args:
        settings: root, store.
        files: item ids by flag and region: one id a line, or a table with a column `item_id`.
        use_catalogue: also flags as out of stock what the newest landed catalogue does not have available.
        max_share: of the current snapshot's items that may be flagged in any one region.
        at: when, for the stamp.

    Raises:
        InputMissing: a file or the catalogue is not there.
        InputInvalid: a file cannot be read, or too many items would be gone; nothing was published.
    """
    started = time.perf_counter()
    store = store_of(settings.store, layout_of(settings))
    snapshot = _current(store)
    known = {item.item_id for item in snapshot.items()}
    flagged = {column: _ids(paths) for column, paths in files.items()}
    if use_catalogue:
        flagged[CATALOGUE] = flagged.get(CATALOGUE, set()) | _sold_out(layout_of(settings), known)
    _check_share(flagged, known, max_share)
    stamp = at.astimezone(dt.UTC).isoformat(timespec="seconds")
    made = publish_overlay(_place(store), encode_overlay(flagged, at=stamp))
    return JobReport(
        job="publish_overlay",
        as_of=snapshot.manifest.as_of,
        rows=_counts(made, flagged, known),
        numbers={"overlay_bytes": made.n_bytes},
        details={"overlay": made.id, "at": made.at, "snapshot": snapshot.id},
        seconds=time.perf_counter() - started,
    )


def _counts(made: Overlay, flagged: Mapping[Column, set[str]], known: set[str]) -> dict[str, int]:
    counts = {f"{c.flag} in {c.region}" if c.region else c.flag: n for c, n in sorted(made.columns.items())}
    unknown = set[str]().union(*flagged.values()) - known
    return {"items": len(known), **counts, "not_in_the_snapshot": len(unknown)}


def _place(store: Store) -> Beside:
    place = beside(store)
    if place is None:
        raise InputInvalid("This kind of store takes no overlay", where="store.kind", todo="Use another kind of store.")
    return place


def _current(store: Store) -> Reader:
    pointer = store.pointer()
    if pointer is None:
        raise SnapshotMissing("No snapshot was published yet", where=store.where, todo="Run a night first.")
    return store.open(pointer.snapshot)


def _check_share(flagged: Mapping[Column, set[str]], known: set[str], max_share: float) -> None:
    for region in sorted({column.region for column in flagged}):
        gone = set[str]().union(*(ids for column, ids in flagged.items() if column.region in {"", region})) & known
        if len(gone) > max_share * len(known):
            raise InputInvalid(
                f"{len(gone)} of the snapshot's {len(known)} items would be gone" + f" in {region}" * bool(region),
                where="--max-share",
                todo="Look at the files; raise --max-share where it is meant. Nothing was published.",
            )


def _ids(paths: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        if path.name.lower().endswith(TABULAR):
            found |= {name for file in source_files.files_of(path) for name, _ in _rows(file)}
        else:
            found |= _lines(path)
    return found


def _lines(path: Path) -> set[str]:
    try:
        lines = path.read_bytes().decode().split("\n")
        return {line for line in (line.removesuffix("\r") for line in lines) if line}
    except FileNotFoundError as error:
        raise InputMissing("The file does not exist.", where=str(path), todo="Name a file of item ids.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise source_files.unreadable(path, error) from error


def _sold_out(layout: Layout, known: set[str]) -> set[str]:
    """Items of the newest landed catalogue that are not available, and known ones that it does not list."""
    folder = layout.landing("items")
    days = landed_days(folder)
    if not days:
        raise InputMissing(
            "No item catalogue has landed.", where=str(folder), todo="Land one, or name files: --out-of-stock FILE."
        )
    listed: dict[str, bool] = {}
    for file in source_files.files_of(layout.landing_day("items", days[-1])):
        listed |= dict(_rows(file))
    return {name for name, is_there in listed.items() if not is_there} | (known - listed.keys())


def _rows(file: Path) -> Iterable[tuple[str, bool]]:
    """Item id and whether it is available, of each row that has an id."""
    names = source_files.column_names(file)
    if "item_id" not in names:
        raise InputInvalid(
            f"Column item_id is missing; there are {', '.join(names)}.", where=str(file), todo="Rename the column."
        )
    columns: list[str] = [name for name in ("item_id", "is_available") if name in names]
    for block in source_files.blocks(file, columns):
        ids = block.column("item_id").to_pylist()
        states = block.column("is_available").to_pylist() if "is_available" in names else [True] * len(ids)
        for name, state in zip(ids, states, strict=True):
            if name is not None and name != "":
                yield str(name), str(state).strip().lower() not in NO
