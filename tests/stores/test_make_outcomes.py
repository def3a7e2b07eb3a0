"""The outcomes feed of a synthetic shop: what its planted click model makes of the served lists."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import settings as contract
from contracts.errors import InputInvalid, InputMissing
from contracts.settings import Settings
from export.blessing import Blessing, write_blessing
from export.snapshot import write_snapshot
from export.stores.local import LocalStore
from export.stores.state import Channels
from jobs.paths import layout_of
from jobs.shops.make_outcomes import make_outcomes
from jobs.shops.make_shop import make_shop
from models.synthetic.clicks import model_of
from models.synthetic.plan import ShopPlan

N_USERS, N_ITEMS, K = 300, 40, 10
PUBLISHED = dt.date(2024, 1, 10)
DAY = dt.date(2024, 1, 11)
AT = "2024-01-11T03:00:00Z"


def publish(settings: Settings, order: list[int], *, is_flipped: bool) -> str:
    """A snapshot in which every user has the items in this order."""
    layout, build = layout_of(settings), Path(settings.root) / "build"
    ids = pq.read_table(layout.root / "truth" / "items.parquet")["item_id"].to_pylist()
    users = pq.read_table(layout.root / "truth" / "users.parquet")["user_id"].to_pylist()
    n = len(order)
    lists = pa.RecordBatch.from_pylist(
        [
            {"user_id": user, "placement": "home", "segment": "all", "item_idx": order, "reasons": [0] * n,
             "scores": [float(n - i) for i in range(n)], "anchors": [-1] * n}
            for user in users
        ]
    )  # fmt: skip
    items = pa.table(
        {"item_idx": range(N_ITEMS), "item_id": ids, "title": ids, "category": ids, "price": [1.0] * N_ITEMS,
         "image_url": ids}
    )  # fmt: skip
    fallbacks = pa.table({"placement": ["home"], "segment": ["all"], "item_idx": [[0]], "scores": [[1.0]]})
    manifest = write_snapshot(
        build, lists=[lists], fallbacks=fallbacks, items=items, as_of=PUBLISHED, shards=2, reasons=("own",),
        n_eligible_users=N_USERS,
    )  # fmt: skip
    verdict = Blessing(as_of=PUBLISHED, manifest_sha256=manifest.sha256, verdict="blessed")
    write_blessing(Path(settings.root) / "blessing.json", verdict)
    store = LocalStore(layout.store)
    store.publish(build, blessing=Path(settings.root) / "blessing.json")
    if is_flipped:
        store.flip(manifest.snapshot_id, expected=store.pointer(), by="test", reason="", at=AT)
    return manifest.snapshot_id


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A synthetic shop whose users all have the items 0 to 9."""
    root = tmp_path_factory.mktemp("shop") / "root"
    make_shop(ShopPlan(users=N_USERS, items=N_ITEMS, days=8, seed=1), root)
    made = contract.load(None, {}, root=str(root))
    publish(made, list(range(K)), is_flipped=True)
    return made


def landed(settings: Settings, day: dt.date = DAY, *, seed: int = 0) -> pa.Table:
    """The feed that the shop's users write on a day."""
    report = make_outcomes(settings, day=day, placement="home", k=K, visit_share=1.0, seed=seed)
    table = pq.read_table(report.details["file"])
    assert report.rows["outcomes"] == table.num_rows
    return table


def test_clicks_come_from_the_planted_model(shop: Settings) -> None:
    """Clicks a position are what the truth expects, within four standard errors; the last is clicked far less."""
    feed = landed(shop)
    users = pq.read_table(layout_of(shop).root / "truth" / "users.parquet")
    items = pq.read_table(layout_of(shop).root / "truth" / "items.parquet")
    model = model_of(users["taste_group"].to_numpy(), items["taste_group"].to_numpy(), items["popularity"].to_numpy())
    people = np.flatnonzero(~users["is_bot"].to_numpy(zero_copy_only=False))
    for position in (1, 5, 10):
        places = np.full(len(people), position)
        chance = model.click(people, places - 1, places)
        clicked = feed.filter((pa.compute.field("kind") == "click") & (pa.compute.field("position") == position))
        assert abs(clicked.num_rows - chance.sum()) <= 4 * np.sqrt((chance * (1 - chance)).sum())
    shown = feed.filter(pa.compute.field("kind") == "impression")
    assert shown.num_rows == len(people) * K


def test_a_day_is_made_the_same_again(shop: Settings) -> None:
    """The same seed gives the same rows in place of the old ones; another seed or day gives others."""
    first = landed(shop)
    assert landed(shop).equals(first)
    assert not landed(shop, seed=1).equals(first)
    assert not landed(shop, DAY + dt.timedelta(days=1))["kind"].equals(first["kind"])


def test_interleaved_items_are_told_by_team(shop: Settings) -> None:
    """Each row names the snapshot that its item came from, and its team."""
    store = LocalStore(layout_of(shop).store)
    canary = publish(shop, list(range(N_ITEMS - 1, N_ITEMS - 1 - K, -1)), is_flipped=False)
    store.rollout(Channels(canary=canary, exposure=100, salt="s", interleave=True), by="test", reason="", at=AT)
    feed = landed(shop)
    store.rollout(Channels(), by="test", reason="", at=AT)
    assert set(feed["channel"].to_pylist()) == {"interleaved"}
    pairs = set(zip(feed["team"].to_pylist(), feed["snapshot"].to_pylist(), strict=True))
    pointer = store.pointer()
    assert pointer is not None
    assert pairs == {("canary", canary), ("stable", pointer.snapshot)}


def test_only_synthetic_shops_are_made_up(shop: Settings, tmp_path: Path) -> None:
    """A shop without planted truth is refused, and so is a day that the lists already knew."""
    with pytest.raises(InputMissing, match="no planted truth"):
        landed(contract.load(None, {}, root=str(tmp_path)))
    with pytest.raises(InputInvalid, match="The served lists are as of 2024-01-10"):
        landed(shop, PUBLISHED)
