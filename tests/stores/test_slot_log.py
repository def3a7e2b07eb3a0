"""The slot log of a staged snapshot, on hand-made tables."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from contracts import settings as contract
from contracts import tables
from contracts.errors import AccountingError, InputMissing
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.outcomes import log_slots
from jobs.publishing import stage_snapshot

DAY = dt.date(2024, 3, 1)
REASONS = Settings().reasons
EXPLORED = REASONS.index("explored")
INTS, FLOATS = pa.list_(pa.int32()), pa.list_(pa.float32())


def write(layout: Layout, table: tables.Table, rows: list[dict[str, Any]], **types: pa.DataType) -> None:
    """Rows of the date in a table of the lake."""
    lake.create(layout, table)
    made = pa.table({name: pa.array([row.get(name) for row in rows]) for name in table.column_names if name in rows[0]})
    for name, kind in types.items():
        made = made.set_column(made.schema.get_field_index(name), name, made[name].cast(kind))
    deltalake.write_deltalake(
        str(layout.table(table)), made, mode="overwrite", predicate=f"as_of = '{DAY}'", schema_mode="merge"
    )


def a_list(user: str, items: list[int], reasons: list[int]) -> dict[str, Any]:
    """A row of `top_n_lists` whose second slot may be explored."""
    n = len(items)
    return {
        "as_of": DAY, "placement": "home", "user_idx": 0, "user_id": user, "segment": "all", "item_idx": items,
        "scores": [float(n - i) for i in range(n)], "reasons": reasons, "anchors": [-1] * n,
        "usual_idx": [0, 1, 2][:n], "propensities": [1.0, 0.25 if EXPLORED in reasons else 0.75, 1.0][:n],
    }  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A shop with two users, four items and a staged snapshot."""
    made = contract.load(None, {}, root=str(tmp_path))
    layout = Layout(tmp_path)
    ids = ["bread", "milk", "jam", "tea"]
    items = [
        {"as_of": DAY, "item_idx": i, "item_id": name, "title": name.title(), "category": None, "price": None,
         "image_url": None, "is_available": True, "is_recommendable": True}
        for i, name in enumerate(ids)
    ]  # fmt: skip
    write(layout, tables.ITEMS, items, item_idx=pa.int32(), category=pa.string(), price=pa.float64(),
          image_url=pa.string())  # fmt: skip
    users = [{"as_of": DAY, "user_idx": i, "user_id": u, "segment": "all"} for i, u in enumerate(("ann", "bob"))]
    write(layout, tables.USERS, users, user_idx=pa.int32())
    popular = [{"as_of": DAY, "placement": "home", "segment": "all", "item_idx": [1], "scores": [1.0]}]
    write(layout, tables.FALLBACK_LISTS, popular, item_idx=INTS, scores=FLOATS)
    lists_of(layout, a_list("ann", [0, 3, 2], [0, EXPLORED, 1]), a_list("bob", [0, 1], [0, REASONS.index("popular")]))
    stage_snapshot.run(made, as_of=DAY)
    return made


def lists_of(layout: Layout, *rows: dict[str, Any]) -> None:
    """The table `top_n_lists` holds these rows."""
    kinds = dict.fromkeys(("item_idx", "reasons", "anchors", "usual_idx"), INTS)
    write(layout, tables.TOP_N_LISTS, list(rows), user_idx=pa.int32(), scores=FLOATS, propensities=FLOATS, **kinds)


def logged(settings: Settings, snapshot: str) -> list[dict[str, Any]]:
    """The log's rows of a snapshot."""
    columns = ("placement", "user_id", "item_ids", "usual_item_ids", "sources", "propensities")
    found = lake.partition(Layout(Path(settings.root)), tables.SLOTS, {"snapshot": snapshot}, columns)
    return [row for batch in found for row in batch.to_pylist()]


def test_every_slot_is_logged_once(settings: Settings) -> None:
    """The log names item, usual item, source and propensity of every slot; a second run leaves the same rows."""
    report = log_slots.run(settings, as_of=DAY)
    assert report.rows == {"lists_logged": 2, "slots_logged": 5, "slots_explored": 1}
    expected = [
        {"placement": "home", "user_id": "ann", "item_ids": ["bread", "tea", "jam"],
         "usual_item_ids": ["bread", "milk", "jam"], "sources": ["own", "explored", "als"],
         "propensities": [1.0, 0.25, 1.0]},
        {"placement": "home", "user_id": "bob", "item_ids": ["bread", "milk"], "usual_item_ids": ["bread", "milk"],
         "sources": ["own", "popular"], "propensities": [1.0, 0.75]},
    ]  # fmt: skip
    snapshot = report.details["snapshot"]
    assert logged(settings, snapshot) == expected
    log_slots.run(settings, as_of=DAY)
    assert logged(settings, snapshot) == expected
    assert logged(settings, "2024-03-01-000000000000") == []


def test_lists_made_anew_after_staging_are_not_logged(settings: Settings) -> None:
    """A log that would not tell what is served is refused, whether lists changed or are missing."""
    layout = Layout(Path(settings.root))
    lists_of(layout, a_list("ann", [0, 1, 2], [0, 0, 1]), a_list("bob", [0, 1], [0, REASONS.index("popular")]))
    with pytest.raises(AccountingError, match="list of user 'ann' is another"):
        log_slots.run(settings, as_of=DAY)
    lists_of(layout, a_list("ann", [0, 3, 2], [0, EXPLORED, 1]))
    with pytest.raises(AccountingError, match="1 home lists are in it, 2 were staged"):
        log_slots.run(settings, as_of=DAY)
    assert not lake.exists(layout, tables.SLOTS)


def test_nothing_staged_is_said(tmp_path: Path) -> None:
    """Without a staged snapshot there is nothing to log."""
    with pytest.raises(InputMissing, match="No snapshot is staged"):
        log_slots.run(contract.load(None, {}, root=str(tmp_path)), as_of=DAY)


def test_an_explored_item_says_so_in_the_answer(settings: Settings) -> None:
    """Its source is `explored`, its reason claims no taste; the other slots keep theirs."""
    from export.lookup import Lists

    made = Lists(stage_snapshot.staged(Layout(Path(settings.root)), DAY)).get("ann", 3, "home")
    assert made.sources == ["own", "explored", "als"]
    assert made.reasons[1] == "something else to try"
