"""Two small shops of first purchases alone, no prices or categories, whose truth is known; default settings."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pv
import pytest
from pyspark.sql import SparkSession

from contracts import settings as contract
from contracts import tables
from contracts.settings import Settings
from jobs import lake
from jobs.evaluation import choosing, cook_past
from jobs.ingest import ingest_catalogue, ingest_events, update_interactions
from jobs.paths import layout_of
from jobs.shops.import_shop import import_shop

Purchase = tuple[int, int, dt.date]
Wishes = Callable[[int], npt.NDArray[np.float64]]

FIRST = dt.date(2026, 1, 1)  # a day of the weekly grid that windows are cut on
AS_OF = FIRST + dt.timedelta(days=84)  # 28 days of history, one window to learn from and one to hold out
LAST = AS_OF + dt.timedelta(days=28)
DAYS_APART = 4  # between two days with purchases: fewer landing folders
N_USERS, N_ITEMS, N_GROUPS, N_BOUGHT, K = 120, 160, 4, 20, 10


def wanted_by_all(user: int) -> npt.NDArray[np.float64]:
    """Everybody wants the same items, the first ones most."""
    del user
    return 1.0 / np.arange(1, N_ITEMS + 1)


def wanted_by_group(user: int) -> npt.NDArray[np.float64]:
    """A user wants the items of their group and no others, all alike, so that no item is the more popular one."""
    return np.where(np.arange(N_ITEMS) % N_GROUPS == user % N_GROUPS, 1.0, 0.0)


@dataclass(frozen=True)
class World:
    """A shop with its lists as of AS_OF, and its purchases: user, item and day of each, all users' in turn."""

    settings: Settings
    purchases: list[Purchase]

    @property
    def systems(self) -> dict[str, str]:
        """What each placement publishes."""
        made = choosing.read(layout_of(self.settings), AS_OF)
        return made.systems if made else {}

    def lists(self, placement: str) -> dict[int, list[int]]:
        """The first K items of each user, best first, by their numbers in this world."""
        layout = layout_of(self.settings)
        ids = {row["item_idx"]: int(row["item_id"]) for row in lake.rows(layout, tables.ITEMS, AS_OF)}
        rows = lake.rows(layout, tables.TOP_N_LISTS, AS_OF)
        return {
            int(row["user_id"]): [ids[item] for item in row["item_idx"][:K]]
            for row in rows
            if row["placement"] == placement
        }

    def popular(self) -> dict[int, list[int]]:
        """For each user the K items with the most buyers in the last 28 days that they do not have.

        Ties go to the item that was sold first, then to the lower id as text.
        """
        known = [(user, item, day) for user, item, day in self.purchases if day <= AS_OF]
        late = Counter(item for _, item, day in known if day > AS_OF - dt.timedelta(days=28))
        since = {item: min(day for _, other, day in known if other == item) for item in {item for _, item, _ in known}}
        order = sorted(since, key=lambda item: (-late[item], since[item], str(item)))
        has = {user: {item for other, item, _ in known if other == user} for user in range(N_USERS)}
        return {user: [item for item in order if item not in has[user]][:K] for user in range(N_USERS)}

    def hits(self, lists: dict[int, list[int]]) -> npt.NDArray[np.int64]:
        """How many of the listed items each user bought after AS_OF."""
        later = {(user, item) for user, item, day in self.purchases if day > AS_OF}
        return np.array([sum((user, item) in later for item in lists[user]) for user in range(N_USERS)])


@pytest.fixture(scope="module")
def worlds(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """Both worlds, cooked side by side: each leaves the processor idle while the driver plans."""
    made = {"popularity": _purchases(wanted_by_all), "taste": _purchases(wanted_by_group)}
    roots = {name: tmp_path_factory.mktemp(name) for name in made}
    with ThreadPoolExecutor(len(made)) as pool:
        cooked = pool.map(lambda name: World(_night(spark, roots[name], made[name]), made[name]), made)
        return dict(zip(made, cooked, strict=True))


def _purchases(wishes: Wishes) -> list[Purchase]:
    """Of users who buy what they wish, each item once, on FIRST and days drawn evenly from there to LAST."""
    random = np.random.default_rng(7)
    purchases: list[Purchase] = []
    for user in range(N_USERS):
        wish = wishes(user)
        items = random.choice(N_ITEMS, N_BOUGHT, replace=False, p=wish / wish.sum())
        days = np.append(0, DAYS_APART * random.integers(0, (LAST - FIRST).days // DAYS_APART + 1, N_BOUGHT - 1))
        found = zip(items.tolist(), days.tolist(), strict=True)
        purchases += [(user, item, FIRST + dt.timedelta(days=day)) for item, day in found]
    return purchases


def _night(spark: SparkSession, root: Path, purchases: list[Purchase]) -> Settings:
    """The settings of a shop that was imported with four columns and cooked through AS_OF; nothing was set by hand."""
    rows = [{"user_id": str(u), "item_id": str(i), "timestamp": f"{day}", "event_type": "purchase"}
            for u, i, day in purchases if day <= AS_OF]  # fmt: skip
    pv.write_csv(pa.Table.from_pylist(rows), root / "events.csv")
    pv.write_csv(pa.table({"item_id": [str(item) for item in range(N_ITEMS)]}), root / "items.csv")
    shop = root / "shop"
    import_shop(events=root / "events.csv", items=root / "items.csv", users=None, into=shop, columns={})
    settings = contract.load(shop / "larder.toml", {})
    ingest_events.run(spark, settings, as_of=AS_OF, first=FIRST)
    ingest_catalogue.run(spark, settings, as_of=AS_OF)
    update_interactions.run(spark, settings, as_of=AS_OF, first=FIRST)
    cook_past.cook(spark, settings, layout_of(settings), AS_OF)
    return settings


def test_where_only_popularity_tells_anything_popular_items_are_published(worlds: dict[str, World]) -> None:
    """No system is shown to beat popularity: every user's list is the most bought items that they do not have."""
    world = worlds["popularity"]
    assert world.systems == {"home": "popular", "discover": "popular"}
    assert world.lists("home") == world.lists("discover") == world.popular()


def test_where_only_taste_tells_anything_lists_are_ahead_of_popularity(worlds: dict[str, World]) -> None:
    """Lists hold what the user's group buys, and hit more often than popular items, five standard errors or more."""
    world = worlds["taste"]
    for placement in ("home", "discover"):
        lists = world.lists(placement)
        own = [item % N_GROUPS == user % N_GROUPS for user, items in lists.items() for item in items]
        gain = world.hits(lists) - world.hits(world.popular())
        assert len(own) == N_USERS * K
        assert np.mean(own) > 0.95
        assert gain.mean() > 5 * gain.std() / N_USERS**0.5
