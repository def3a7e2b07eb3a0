"""A lake of six users whose pasts and features are as of two dates, put out of time in several ways."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.tables import Table
from export.erasing.register import Register
from jobs import lake
from jobs.evaluation.point_in_time import features_in_time
from jobs.ingest.flag_users import KIND
from models import artifact
from models.histories import DayRows, Users, empty_pairs, fold, to_columns

EARLY, LATE = dt.date(2026, 1, 31), dt.date(2026, 2, 28)
N, N_ITEMS = 6, 20
Night = dict[str, Any]


def _purchases() -> list[Night]:
    """Each user buys two or three items a month, one of them again the month after."""
    random = np.random.default_rng(1)
    return [
        {"user_idx": user, "item_idx": int(item), "day": dt.date(2026, month, int(random.integers(1, 29)))}
        for user in range(N)
        for month in (1, 2)
        for item in random.choice(N_ITEMS, 3, replace=False)
    ]


def _write(layout: Layout, table: Table, columns: dict[str, Any]) -> None:
    lake.create(layout, table)
    path = str(layout.table(table))
    schema = pa.schema(deltalake.DeltaTable(path).schema().to_arrow())
    n = len(next(iter(columns.values())))
    nothing = [[0] * len(items) for items in columns["item_idx"]] if isinstance(columns["item_idx"][0], list) else []
    for field in schema:
        columns.setdefault(field.name, nothing if pa.types.is_list(field.type) else [_zero(field.type)] * n)
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    deltalake.write_deltalake(path, pa.table(arrays, schema=schema), mode="append")


def _zero(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return "" if pa.types.is_string(kind) else False
    return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) if pa.types.is_timestamp(kind) else 0


def _past(purchases: list[Night], as_of: dt.date) -> dict[str, list[Any]]:
    """The columns of `histories`, folded from the purchases up to the date."""
    known = [p for p in purchases if p["day"] <= as_of]
    ones = np.ones(len(known))
    news = DayRows(
        rows=np.array([p["user_idx"] for p in known]),
        days=np.array([day_number(p["day"]) for p in known], dtype=np.int32),
        item_idx=np.array([p["item_idx"] for p in known], dtype=np.int32),
        is_purchase=ones > 0,
        weights=ones,
        quantities=ones,
        amounts=ones,
    )
    never = np.full(N, -1, dtype=np.int32)
    start = Users(np.zeros(N, dtype=np.int32), never, never.copy())
    made = to_columns(*fold(start, empty_pairs(), news, base_day=0, as_of_day=day_number(as_of)))
    return {"user_idx": list(range(N)), **{name: column.to_pylist() for name, column in made.items()}}


def _features(past: dict[str, list[Any]], as_of: dt.date) -> dict[str, list[Any]]:
    today = day_number(as_of)
    return {
        "user_idx": past["user_idx"],
        "n_baskets": past["n_baskets"],
        "recency_days": [today - day for day in past["last_day"]],
        "tenure_days": [today - day for day in past["first_day"]],
        "item_idx": past["item_idx"],
    }


def _items(purchases: list[Night], as_of: dt.date) -> dict[str, list[Any]]:
    """Distinct buyers by item, ever and by the days since their last purchase."""
    columns: dict[str, list[Any]] = {"item_idx": list(range(N_ITEMS))}
    windows = {"buyers": 999, "buyers_7": 7, "buyers_14": 14, "buyers_28": 28, "buyers_84": 84}
    for name, days in windows.items():
        columns[name] = [
            len({p["user_idx"] for p in purchases if p["item_idx"] == item and 0 <= (as_of - p["day"]).days < days})
            for item in range(N_ITEMS)
        ]
    return columns


class Shop:
    """What is stored, before it is written."""

    def __init__(self) -> None:
        self.purchases = _purchases()
        self.past = {day: _past(self.purchases, day) for day in (EARLY, LATE)}
        self.features = {day: _features(self.past[day], day) for day in (EARLY, LATE)}
        self.items = {day: _items(self.purchases, day) for day in (EARLY, LATE)}
        self.landed_on: dict[int, dt.date] = {}

    def gate(self, root: Path, n_users: int = N_ITEMS) -> Any:
        """The verdict on both dates."""
        layout = Layout(root)
        rows = [{**p, "n_purchases": 1, "weight": 1.0, "quantity": 1.0, "amount": 1.0,
                 "landed_on": self.landed_on.get(p["user_idx"], p["day"])} for p in self.purchases]  # fmt: skip
        _write(layout, tables.INTERACTIONS, {name: [row[name] for row in rows] for name in rows[0]})
        for day in (EARLY, LATE):
            _write(layout, tables.HISTORIES, {"as_of": [day] * N, **self.past[day]})
            _write(layout, tables.USER_FEATURES, {"as_of": [day] * N, **self.features[day]})
            _write(layout, tables.ITEM_FEATURES, {"as_of": [day] * N_ITEMS, **self.items[day]})
        return features_in_time(layout, [LATE, EARLY], n_users=n_users, seed=1)


@pytest.fixture
def shop() -> Shop:
    """All as it was on both dates."""
    return Shop()


def test_what_was_known_on_the_date_is_green(shop: Shop, tmp_path: Path) -> None:
    """Purchases of February are in no row as of the end of January."""
    gate = shop.gate(tmp_path)
    assert (gate.level, gate.value) == ("green", 0.0)
    assert gate.note == "of 20 users sampled as of each of 2026-02-28, 2026-01-31, and as many items"


def test_features_shuffled_in_time_are_red(shop: Shop, tmp_path: Path) -> None:
    """Features of the two dates changed places: all users on both dates, and the first of them named."""
    shop.features = {EARLY: shop.features[LATE], LATE: shop.features[EARLY]}
    gate = shop.gate(tmp_path)
    assert (gate.level, gate.value) == ("red", 12.0)
    assert "as of 2026-01-31: user_idx 0, 1, 2" in gate.note


def test_a_past_that_knows_the_future_is_red(shop: Shop, tmp_path: Path) -> None:
    """The histories as of January hold what was bought in February."""
    shop.past[EARLY] = shop.past[LATE]
    assert shop.gate(tmp_path).level == "red"


def test_one_user_of_all_is_found(shop: Shop, tmp_path: Path) -> None:
    """One wrong last day in one row."""
    shop.past[LATE]["last_days"][4][0] += 1
    gate = shop.gate(tmp_path)
    assert gate.value == 1.0
    assert gate.note.endswith("as of 2026-02-28: user_idx 4")


def test_events_that_landed_later_are_no_leak(shop: Shop, tmp_path: Path) -> None:
    """A day row that changed after the date is newer than what was stored: its user is not judged."""
    shop.past[LATE]["last_days"][4][0] += 1
    shop.landed_on[4] = LATE + dt.timedelta(days=3)
    assert shop.gate(tmp_path).level == "green"


def test_fewer_users_are_sampled_where_asked(shop: Shop, tmp_path: Path) -> None:
    """Two users a date, the same ones every time."""
    shop.features = {EARLY: shop.features[LATE], LATE: shop.features[EARLY]}
    assert shop.gate(tmp_path, n_users=2).value == 4.0


def test_buyers_of_another_date_are_red(shop: Shop, tmp_path: Path) -> None:
    """The night's item features are those of a month before: every item that was sold since is found."""
    shop.items[LATE] = shop.items[EARLY]
    gate = shop.gate(tmp_path)
    sold = {p["item_idx"] for p in shop.purchases}
    assert gate.level == "red"
    assert "as of 2026-02-28: item_idx" in gate.note
    assert 0 < gate.value <= len(sold)


def test_items_of_an_older_date_are_not_judged(shop: Shop, tmp_path: Path) -> None:
    """Erased users are in its counts and no longer in the day rows."""
    shop.items[EARLY]["buyers"][0] += 1
    assert shop.gate(tmp_path).level == "green"


def test_flagged_users_make_no_item_popular(shop: Shop, tmp_path: Path) -> None:
    """Items counted without the flagged user are those of the date; counted with them they are red."""
    counted_with = shop.items[LATE]
    shop.items[LATE] = _items([p for p in shop.purchases if p["user_idx"] != 2], LATE)
    for root in ("without", "with"):
        folder = Layout(tmp_path / root).artifact(KIND, LATE)
        artifact.save(folder, arrays={"user_idx": np.array([2], dtype=np.int32)}, texts={}, about={})
    assert shop.gate(tmp_path / "without").level == "green"
    shop.items[LATE] = counted_with
    assert shop.gate(tmp_path / "with").level == "red"


@pytest.mark.parametrize(
    ("n_known", "n_erased", "level"), [(0, 0, "red"), (0, 1, "green"), (1, 1, "red"), (1, 2, "green")]
)
def test_an_erasure_since_the_items_were_counted_is_no_leak(
    shop: Shop, tmp_path: Path, n_known: int, n_erased: int, level: str
) -> None:
    """A buyer more than the day rows have is red, but not where users were erased after the items were counted."""
    shop.items[LATE]["buyers"][3] += 1
    layout = Layout(tmp_path)
    artifact.save(layout.artifact("item_arrays", LATE), arrays={}, texts={}, about={"n_erased": n_known})
    register = Register(layout.erased)
    register.add([f"gone-{n}" for n in range(n_erased)], at="2026-03-01T00:00:00+00:00", reason="asked for")
    gate = shop.gate(tmp_path)
    assert gate.level == level
    assert ("no items: users were erased since these were counted" in gate.note) is (level == "green")
