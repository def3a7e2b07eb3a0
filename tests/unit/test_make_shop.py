"""A synthetic shop: what is landed is what the truth says."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import settings
from contracts.errors import InputInvalid
from jobs.shops.make_shop import make_shop, plan_of
from models.synthetic import days, population
from models.synthetic.plan import EVENT_TYPES, ShopPlan

PLAN = ShopPlan(users=300, items=200, days=30, seed=7)
SMALL = ShopPlan(users=50, items=40, days=8, seed=7, bots=1, bot_events=30)
Row = dict[str, Any]


def _rows(file: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(file, partitioning=None).to_pylist()
    return rows


def _landed(into: Path) -> dict[dt.date, list[Row]]:
    folders = sorted((into / "landing" / "events").glob("date=*"))
    return {dt.date.fromisoformat(folder.name[5:]): _rows(folder / "part-00000.parquet") for folder in folders}


def _digests(root: Path) -> dict[str, str]:
    files = [file for file in root.rglob("*") if file.is_file() and file.name != "larder.toml"]
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _broken_rules(row: Row, day: dt.date) -> list[str]:
    ids = [row["user_id"] or "", row["item_id"] or ""]
    broken = {
        "user_id_missing": not ids[0],
        "item_id_missing": not ids[1],
        "id_too_long": max(len(text.encode()) for text in ids) > 256,
        "timestamp_missing": row["timestamp"] is None,
        "timestamp_in_future": row["timestamp"] is not None and row["timestamp"].date() > day,
        "event_type_unknown": row["event_type"] not in EVENT_TYPES,
        "price_negative": (row["price"] or 0) < 0,
    }
    return [rule for rule, is_broken in broken.items() if is_broken]


@pytest.fixture(scope="module", params=[32_768, 64], ids=["one block", "many blocks"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop of `PLAN`, made in one block of users a day and in several."""
    into = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "BLOCK_USERS", request.param)
        make_shop(PLAN, into)
    return into


def test_truth_counts_what_was_landed(shop: Path) -> None:
    """Each day's accepted, late, duplicate and quarantined rows are those that the rules find, one rule a row."""
    expected = {row.pop("date"): row for row in _rows(shop / "truth" / "days.parquet")}
    found, seen = {}, set()
    for day, rows in _landed(shop).items():
        counts: Counter[str] = Counter(dict.fromkeys(expected[day], 0) | {"rows": len(rows)})
        for row in rows:
            broken = _broken_rules(row, day)
            if broken:
                assert len(broken) == 1
                counts[f"quarantined_{broken[0]}"] += 1
                continue
            key = tuple(row.values())
            counts["duplicates" if key in seen else "accepted"] += 1
            if key not in seen:
                counts["late"] += row["timestamp"].date() < day
                counts[f"accepted_{row['event_type']}"] += 1
            seen.add(key)
        found[day] = dict(counts)
    assert found == expected
    totals = {name: sum(day[name] for day in found.values()) for name in found[PLAN.first_day]}
    assert plan_of(shop / "truth" / "truth.json") == (dt.date(2024, 1, 1), dt.date(2024, 1, 30), totals)
    assert min(totals.values()) > 0


def test_staples_are_bought_on_their_days(shop: Path) -> None:
    """Every planted repeat purchase is landed on each of its days after the user joined."""
    users = {row["user_id"]: row for row in _rows(shop / "truth" / "users.parquet")}
    bought = {
        (row["user_id"], row["item_id"], day)
        for day, rows in _landed(shop).items() for row in rows if row["event_type"] == "purchase"
    }  # fmt: skip
    due = {
        (row["user_id"], row["item_id"], row["phase_date"] + dt.timedelta(days=step))
        for row in _rows(shop / "truth" / "staples.parquet")
        for step in range(0, PLAN.days, row["period_days"])
    }
    last = PLAN.date(PLAN.days - 1)
    due = {key for key in due if users[key[0]]["join_date"] <= key[2] <= last}
    assert len(due) > 500
    assert due - bought == set()


def test_items_arrive(shop: Path) -> None:
    """No clean event names an item before its arrival, and each catalogue holds the items that are there by then."""
    items = {row["item_id"]: row for row in _rows(shop / "truth" / "items.parquet")}
    early = [
        row for day, rows in _landed(shop).items() for row in rows
        if not _broken_rules(row, day) and items[row["item_id"]]["arrival_date"] > day
    ]  # fmt: skip
    assert early == []
    catalogues = sorted((shop / "landing" / "items").glob("date=*"))
    assert [folder.name for folder in catalogues] == [f"date=2024-01-{day:02}" for day in (1, 8, 15, 22, 29)]
    for folder in catalogues:
        day = dt.date.fromisoformat(folder.name[5:])
        there = {row["item_id"] for row in _rows(folder / "part-00000.parquet")}
        assert there == {name for name, row in items.items() if row["arrival_date"] <= day}


def test_silent_users_and_bots(shop: Path) -> None:
    """Silent users are in the catalogue and have no event; a bot at work has two thousand a day."""
    users = {row["user_id"]: row for row in _rows(shop / "truth" / "users.parquet")}
    catalogue = _rows(shop / "landing" / "users" / "date=2024-01-01" / "part-00000.parquet")
    assert [row["user_id"] for row in catalogue] == list(users)
    n_events = Counter(
        (row["user_id"], day) for day, rows in _landed(shop).items() for row in rows if not _broken_rules(row, day)
    )
    silent = {user for user, row in users.items() if row["is_silent"]}
    assert silent
    assert silent & {user for user, _ in n_events} == set()
    bots = {user for user, row in users.items() if row["is_bot"]}
    assert len(bots) == 2
    assert all(n >= 2_000 for (user, _), n in n_events.items() if user in bots)
    assert all(n < 200 for (user, _), n in n_events.items() if user not in bots)


def test_users_choose_from_their_group(shop: Path) -> None:
    """Four fifths of the views, and by chance an eighth of the rest, fall into the user's taste group."""
    users = {row["user_id"]: row for row in _rows(shop / "truth" / "users.parquet")}
    items = {row["item_id"]: row["taste_group"] for row in _rows(shop / "truth" / "items.parquet")}
    views = [
        users[row["user_id"]]["taste_group"] == items[row["item_id"]]
        for day, rows in _landed(shop).items() for row in rows
        if row["event_type"] == "view" and not _broken_rules(row, day) and not users[row["user_id"]]["is_bot"]
    ]  # fmt: skip
    assert sum(views) / len(views) == pytest.approx(0.825, abs=0.03)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """A shop made twice, also over itself, has the same bytes; another seed has others."""
    make_shop(SMALL, tmp_path / "a")
    make_shop(SMALL, tmp_path / "b")
    expected = _digests(tmp_path / "a")
    make_shop(SMALL, tmp_path / "b")
    assert _digests(tmp_path / "b") == expected
    make_shop(ShopPlan(users=50, items=40, days=8, seed=8), tmp_path / "c")
    assert _digests(tmp_path / "c")["truth/truth.json"] != expected["truth/truth.json"]


def test_a_day_needs_no_other_day() -> None:
    """The rows of a day are the same whether or not other days were made before."""
    planted = population.plant(SMALL)
    alone = [rows.second.tolist() for rows in days.day_blocks(planted, 5)]
    for day in range(5):
        list(days.day_blocks(planted, day))
    assert [rows.second.tolist() for rows in days.day_blocks(planted, 5)] == alone


def test_shop_without_repeats_prices_and_categories(tmp_path: Path) -> None:
    """What a shop does not have is in none of its files, and its settings say that repeats are not sensible."""
    plan = ShopPlan(users=50, items=40, days=8, seed=7, has_repeats=False, has_prices=False, has_categories=False)
    report = make_shop(plan, tmp_path)
    names = pq.read_schema(tmp_path / "landing/events/date=2024-01-01/part-00000.parquet").names
    assert names == ["user_id", "item_id", "event_type", "timestamp", "quantity", "order_id"]
    names = pq.read_schema(tmp_path / "landing/items/date=2024-01-01/part-00000.parquet").names
    assert names == ["item_id", "title", "brand", "first_seen", "is_available"]
    assert _rows(tmp_path / "truth" / "staples.parquet") == []
    assert report.rows["quarantined_price_negative"] == 0
    assert settings.load(tmp_path / "larder.toml", {}).shop.repeats is False


def test_clean_shop(tmp_path: Path) -> None:
    """Without dirt every landed row is accepted."""
    rows = make_shop(ShopPlan(users=50, items=40, days=8, seed=7, dirty_share=0.0), tmp_path).rows
    assert rows["rows"] == rows["accepted"] > 0
    assert sum(n for name, n in rows.items() if name.startswith("quarantined") or name == "duplicates") == 0


def test_settings_of_a_synthetic_shop(tmp_path: Path) -> None:
    """The settings file of a synthetic shop knows its five event types, its segments and its repeats."""
    make_shop(SMALL, tmp_path)
    shop = settings.load(tmp_path / "larder.toml", {}).shop
    assert {word: kind.role for word, kind in shop.event_types.items()} == {word: word for word in EVENT_TYPES}
    assert (shop.segment, shop.repeats) == ("segment", True)


def test_landing_schema(tmp_path: Path) -> None:
    """Events land in the types that the import writes."""
    make_shop(SMALL, tmp_path)
    schema = pq.read_schema(tmp_path / "landing/events/date=2024-01-02/part-00000.parquet").remove_metadata()
    assert schema == pa.schema(
        {
            "user_id": pa.string(), "item_id": pa.string(), "event_type": pa.string(),
            "timestamp": pa.timestamp("us", "UTC"), "price": pa.float64(), "quantity": pa.float64(),
            "order_id": pa.string(),
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", ["users", "items", "days"])
def test_no_shop_of_nothing(tmp_path: Path, name: str) -> None:
    """A size of zero is refused by name."""
    nothing: dict[str, Any] = {name: 0}
    with pytest.raises(InputInvalid, match=f"at least one of its {name}"):
        make_shop(replace(SMALL, **nothing), tmp_path)
