"""One night of a small synthetic shop through the real command: Dagster, Spark, both models, the store."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import HeldByGate
from dagster_project.definitions import defs
from jobs.configuration import configured
from jobs.publishing import check_parity
from tests.end_to_end.planting import (
    Plant,
    booster_of_another_placement,
    items_shifted,
    spoil,
    two_users_swapped,
)

AS_OF = "2024-02-28"
LAST_DAY = "2024-02-29"
NEXT_DAY = "2024-03-01"


@dataclass(frozen=True)
class Shop:
    """A root folder and the command that works on it."""

    root: Path

    def larder(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON answer of one command in a process of its own, as a shop runs it."""
        start = [sys.executable, "-c", "from jobs.cli import main; main()", "--json", "--root", str(self.root)]
        ran = subprocess.run([*start, *arguments], capture_output=True, text=True, check=False)
        return ran.returncode, json.loads(ran.stdout)

    def pointer(self) -> bytes:
        """The pointer file's bytes."""
        return (self.root / "store" / "pointer.json").read_bytes()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """300 users, 200 items and 60 days landed, of which the last is after the night."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    size = ["--users", "300", "--items", "200", "--days", "60", "--seed", "1"]
    code, facts = made.larder("make-shop", *size, "--into", str(made.root))
    assert (code, facts["details"]["last_day"]) == (0, LAST_DAY)
    return made


@pytest.fixture(scope="module")
def first_night(shop: Shop) -> dict[str, Any]:
    """The answer of the first night, which ingests all days in one run."""
    code, facts = shop.larder("night", "--as-of", AS_OF)
    assert code == 0, facts
    return facts


def test_the_night_does_every_step(shop: Shop, first_night: dict[str, Any]) -> None:
    """All steps report, the whole history is ingested in one run and adds up, and the snapshot of the day is served."""
    rows = {step["step"]: step["rows"] for step in first_night["steps"]}
    assert len(rows) == len(defs.resolve_job_def("nightly").graph.nodes)
    assert first_night["first_ingested"] == "2024-01-01"
    ingested = rows["ingest_events"]
    assert ingested["read"] == ingested["accepted"] + ingested["quarantined"] + ingested["duplicates"]
    assert first_night["snapshot"].startswith(AS_OF)
    code, status = shop.larder("status")
    assert (code, status["snapshot"], status["as_of"]) == (0, first_night["snapshot"], AS_OF)
    dates = {h["name"]: h["last"] for h in status["holdings"] if h["kind"] == "table"}
    assert {dates[name] for name in ("candidates", "ranked", "top_n_lists", "histories", "events")} == {AS_OF}


def test_the_ingest_finds_what_was_planted(shop: Shop, first_night: dict[str, Any]) -> None:
    """Accepted, quarantined and duplicate rows of each day are those that the shop's truth tells."""
    days = pq.read_table(shop.root / "truth" / "days.parquet").to_pylist()
    known = [day for day in days if str(day["date"]) <= AS_OF]
    rows = next(step["rows"] for step in first_night["steps"] if step["step"] == "ingest_events")
    assert rows["accepted"] == sum(day["accepted"] for day in known)
    assert rows["duplicates"] == sum(day["duplicates"] for day in known)


def test_a_user_gets_their_own_list(shop: Shop, first_night: dict[str, Any], tmp_path: Path) -> None:
    """A user in the lists gets ten items by lookup, the same as the flat file tells, each with title and reason."""
    out = tmp_path / "home.parquet"
    code, written = shop.larder("lists", "--out", str(out), "--placement", "home")
    rows = pq.read_table(out).to_pylist()
    assert (code, written["rows"]) == (0, len(rows))
    user = rows[0]["user_id"]
    code, made = shop.larder("lookup", user, "-k", "10")
    assert (code, made["source"], made["snapshot"]) == (0, "personal", first_night["snapshot"])
    assert made["items"] == [row["item_id"] for row in rows if row["user_id"] == user][:10]
    assert len(made["reasons"]) == len(made["titles"]) == 10
    assert all(made["reasons"])


def test_an_unknown_user_gets_the_popular_list(shop: Shop, first_night: dict[str, Any]) -> None:
    """An id that nobody has, in any script, gets the popular list, labelled so."""
    code, made = shop.larder("lookup", "\u2603 ../../nobody", "--placement", "discover")
    assert (code, made["source"], len(made["items"])) == (0, "popular", 10)


def test_a_day_that_did_not_land_changes_nothing(shop: Shop, first_night: dict[str, Any]) -> None:
    """Without a landing folder the night fails by name; the pointer is the same and lookups answer."""
    before = shop.pointer()
    code, facts = shop.larder("night", "--as-of", NEXT_DAY)
    assert (code, facts["error"]) == (1, "InputMissing")
    assert shop.pointer() == before
    assert shop.larder("lookup", "nobody")[0] == 0


def test_a_corrupt_day_changes_nothing(shop: Shop, first_night: dict[str, Any]) -> None:
    """A file that is no Parquet fails the night by name; the pointer is the same and lookups answer."""
    before = shop.pointer()
    folder = shop.root / "landing" / "events" / f"date={NEXT_DAY}"
    folder.mkdir()
    (folder / "part-0.parquet").write_bytes(b"PAR1 this is not Parquet PAR1")
    try:
        code, facts = shop.larder("night", "--as-of", NEXT_DAY)
    finally:
        (folder / "part-0.parquet").unlink()
        folder.rmdir()
    assert (code, facts["error"]) == (1, "InputInvalid")
    assert "part-0.parquet" in facts["what"] + facts["where"]
    assert shop.pointer() == before
    assert shop.larder("lookup", "nobody")[0] == 0


def test_a_red_gate_holds(shop: Shop, first_night: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists shorter than asked for: the gate says its value and limit, exit code 3, and the pointer is the same."""
    before = shop.pointer()
    monkeypatch.setenv("LARDER_PLACEMENTS__HOME", "{repeats = true, length = 1000}")
    code, facts = shop.larder("gates", "--as-of", AS_OF)
    assert (code, facts["error"]) == (3, "HeldByGate")
    assert "full_lists of home" in facts["what"]
    assert shop.pointer() == before
    assert shop.larder("lookup", "nobody")[0] == 0


def test_the_lists_in_the_store_are_made_again(first_night: dict[str, Any]) -> None:
    """Every user of the shop is drawn, and not one place of their lists differs."""
    rows = next(step["rows"] for step in first_night["steps"] if step["step"] == "parity")
    assert rows["users_checked"] >= 290
    assert rows["places_checked"] > 10_000
    assert (rows["users_differing"], rows["differences"], rows["places_tied"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("plant", "fewest", "most"),
    [(two_users_swapped, 2, 2), (items_shifted, 250, 302), (booster_of_another_placement, 200, 300)],
)
def test_a_planted_mix_up_holds_the_flip(
    shop: Shop, first_night: dict[str, Any], tmp_path: Path, plant: Plant, fewest: int, most: int
) -> None:
    """The users who have another list than theirs are counted and named, in the error and in a file."""
    day = dt.date.fromisoformat(AS_OF)
    settings = configured({}, config=shop.root / "larder.toml", root=str(tmp_path / "copy"))
    spoil(shop.root, settings, day, plant)
    with pytest.raises(HeldByGate, match=r"are not what they are when made again; the limit is 0: ") as held:
        check_parity.run(settings, as_of=day)
    counted = re.match(r"The lists of (\d+) of ", held.value.what)
    assert counted is not None
    assert fewest <= int(counted[1]) <= most
    found = json.loads(Path(held.value.where).read_bytes())["differences"]
    assert found[0]["user_id"] in held.value.what


def test_the_same_night_again_gives_the_same_bytes(shop: Shop, first_night: dict[str, Any], tmp_path: Path) -> None:
    """A second run of the night reads its day alone, and serves the very same snapshot and list files."""
    files = {}
    for run in ("first", "second"):
        if run == "second":
            code, facts = shop.larder("night", "--as-of", AS_OF)
            assert code == 0, facts
            assert (code, facts["snapshot"], facts["first_ingested"]) == (0, first_night["snapshot"], AS_OF)
        for placement in ("home", "discover"):
            out = tmp_path / f"{run}-{placement}.parquet"
            assert shop.larder("lists", "--out", str(out), "--placement", placement)[0] == 0
            files[run, placement] = out.read_bytes()
    assert files["first", "home"] == files["second", "home"]
    assert files["first", "discover"] == files["second", "discover"]


def _plant_the_future(root: Path, days: list[str]) -> None:
    """Days after the night in which every user buys the item that is sold least, five times, at a fantastic price.

    A user and an item that nobody knows yet take part.
    """
    past = pq.read_table(root / "landing" / "events", columns=["user_id", "item_id", "event_type"])
    sold = Counter(past["item_id"].to_pylist())
    rarest = min(sold, key=lambda item: (sold[item], item))
    users = [*sorted(set(past["user_id"].drop_null().to_pylist())), "of-tomorrow"]
    for day in days:
        at = dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")
        rows = [
            {"user_id": user, "item_id": item, "event_type": "purchase", "timestamp": at + dt.timedelta(seconds=n),
             "price": 1e4, "quantity": 50.0, "order_id": f"{user}-{day}"}
            for user in users for n, item in enumerate([rarest] * 5 + ["of-tomorrow"])
        ]  # fmt: skip
        folder = root / "landing" / "events" / f"date={day}"
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "part-00000.parquet")


def test_a_planted_future_leaves_no_trace(shop: Shop, first_night: dict[str, Any], tmp_path: Path) -> None:
    """With three later days of extreme purchases in the lake, the night of the date makes the very same rows."""
    other = Shop(tmp_path / "other")
    shutil.copytree(shop.root / "landing", other.root / "landing")
    shutil.copy(shop.root / "larder.toml", other.root / "larder.toml")
    days = [LAST_DAY, NEXT_DAY, "2024-03-02"]
    _plant_the_future(other.root, days)
    for verb in ("ingest", "interactions"):
        code, facts = other.larder(verb, "--from", "2024-01-01", "--as-of", days[-1])
        assert code == 0, facts
    code, facts = other.larder("night", "--as-of", AS_OF)
    assert code == 0, facts
    for name in (
        "histories",
        "user_features",
        "item_features",
        "candidates",
        "ranked",
        "top_n_lists",
        "fallback_lists",
    ):
        assert _rows(other.root, name) == _rows(shop.root, name), name


def _rows(root: Path, table: str) -> list[dict[str, Any]]:
    """The rows of the night of a table, by user and placement."""
    day = dt.date.fromisoformat(AS_OF)
    data = deltalake.DeltaTable(str(root / "lake" / table)).to_pyarrow_table(filters=[("as_of", "=", day)])
    rows: list[dict[str, Any]] = data.to_pylist()
    return sorted(rows, key=lambda row: [str(row.get(key)) for key in ("user_idx", "placement", "segment", "item_idx")])
