"""A hand-made root with everything that names a user, erased by the verb and searched byte by byte."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts import tables
from contracts.layout import Layout
from contracts.tables import Table
from export.erasing.register import Register
from export.lookup import Lists, Options
from export.stores.local import LocalStore
from jobs import cli, lake
from jobs.erasing import lake_rows
from jobs.publishing.serve_lists import LAST_GOOD
from tests.stores import nights
from tests.stores.nights import USERS

ANN = "user-07"
DAY = dt.date(2026, 1, 1)
LANDED = [
    ("u-1", "user-070", "tea"), ("u-2", ANN, "jam"), ("u-3", "user-08", "tea"), ("u-4", ANN, "tea"),
]  # fmt: skip
Larder = Callable[..., tuple[int, dict[str, Any]]]


def write(layout: Layout, table: Table, rows: list[dict[str, Any]]) -> None:
    """Rows of a table; a column that is not given is empty, 0, or the first of January 2026."""
    lake.create(layout, table)
    delta = deltalake.DeltaTable(str(layout.table(table)))
    schema = pa.schema(delta.schema().to_arrow())
    full = [{field.name: row.get(field.name, plain(field.type)) for field in schema} for row in rows]
    deltalake.write_deltalake(delta, pa.Table.from_pylist(full, schema=schema), mode="append")


def plain(kind: pa.DataType) -> Any:
    """A value of a type that says nothing."""
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return []
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ""
    if pa.types.is_binary(kind):
        return b""
    if pa.types.is_timestamp(kind):
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return DAY if pa.types.is_date(kind) else False if pa.types.is_boolean(kind) else 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root after two nights."""
    folder = tmp_path / "root"
    layout, store = Layout(folder), LocalStore(folder / "store")
    for day in (1, 2):
        made = nights.night(tmp_path, day)
        name = made.manifest.as_of.isoformat()
        shutil.copytree(made.build, folder / "staging" / name)
        (folder / "blessings").mkdir(exist_ok=True)
        shutil.copyfile(made.blessing, folder / "blessings" / f"{name}.json")
        store.publish(made.build, blessing=made.blessing)
        store.flip(made.id, expected=store.pointer(), by="n", reason="n", at=nights.AT)
    with Lists(store, Options(last_good=folder / LAST_GOOD)) as lists:
        lists.get(ANN, 3, "home")
    write(layout, tables.USER_VOCABULARY, [{"user_idx": i, "user_id": user} for i, user in enumerate(USERS)])
    write(layout, tables.EVENTS, [{"user_id": user, "item_id": "tea"} for user in (*USERS, ANN)])
    write(layout, tables.USERS, [{"user_idx": i, "user_id": user} for i, user in enumerate(USERS)])
    write(layout, tables.INTERACTIONS, [{"user_idx": i % 24, "item_idx": 0} for i in range(48)])
    write(layout, tables.TOP_N_LISTS, [{"user_idx": i, "user_id": user} for i, user in enumerate(USERS)])
    for table in (tables.CANDIDATES, tables.EXAMPLES, tables.RANKED, tables.HISTORIES, tables.USER_FEATURES):
        write(layout, table, [{"user_idx": i} for i in range(24)])
    raws = [json.dumps({"user_id": ANN}), json.dumps({"user_id": "user-08"}), f"broken;{ANN};", "broken"]
    write(layout, tables.QUARANTINE, [{"raw_row": raw, "reason": "malformed"} for raw in raws])
    write(layout, tables.OUTCOME_QUARANTINE, [{"raw_row": raw, "reason": "malformed"} for raw in raws])
    for table in (tables.SLOTS, tables.OUTCOMES):
        write(layout, table, [{"snapshot": "s", "user_id": user} for user in USERS])
    landing = layout.landing_day("events", DAY)
    landing.mkdir(parents=True)
    columns = {name: [row[i] for row in LANDED] for i, name in enumerate(("event_id", "user_id", "item_id"))}
    pq.write_table(pa.table(columns), landing / "part.parquet")
    (landing / "part.csv").write_text('event_id,user_id,note\n1,user-070,x\n2,user-07,"a\nb"\n3,user-08,y\n')
    (landing / "part.jsonl").write_text('{"user_id": "user-07"}\n{"user_id":  "user-08"}\n')
    (folder / "previews").mkdir()
    (folder / "previews" / "mail.html").write_text(f"Dear {ANN}")
    (folder / "reports").mkdir()
    (folder / "reports" / "night-2026-01-02.html").write_text(f"<bdi>{ANN}</bdi>")
    (folder / "larder.toml").write_text("[placements.home]\nrepeats = true\n")
    return folder


@pytest.fixture
def larder(root: Path) -> Larder:
    """Runs a verb on the root; exit code and the JSON object."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(cli.app, ["--root", str(root), *arguments, "--json"])
        found: dict[str, Any] = json.loads(done.stdout)
        return done.exit_code, found

    return run


def naming(root: Path, user: str) -> list[str]:
    """Files that have the id in their bytes, in those of their cells, or in what they are packed of."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.is_file() and any(user.encode() in data for data in unpacked(path))
    ]


def unpacked(path: Path) -> list[bytes]:
    """A file's bytes, as they are and as they are read."""
    data = path.read_bytes()
    found = [data]
    if path.suffix == ".parquet":
        found.append(repr(pq.read_table(path).to_pydict()).encode().replace(b"user-070", b""))
    elif path.suffix == ".zst":
        with pa.input_stream(str(path), compression="zstd") as stream:
            found.append(stream.read())
    elif path.suffix == ".gz":
        found.append(gzip.decompress(data))
    elif data[:4] == b"LRLG":
        found.append(zlib.decompress(data[36:]))
    return [one.replace(b"user-070", b"") for one in found]


def test_a_user_is_erased_from_everything_below_the_root(root: Path, larder: Larder) -> None:
    """Every table, snapshot, staged build, digest, kept list and preview; the landing files where that is asked for."""
    assert larder("digest", "--placement", "home", "--as-of", "2026-01-02")[0] == 0
    before = naming(root, ANN)
    assert {path.split("/")[0] for path in before} == {
        "cache", "digests", "lake", "landing", "previews", "reports", "staging", "store",
    }  # fmt: skip
    code, told = larder("erase", ANN, "--reason", "ticket 7", "--landing")
    assert (code, told["details"]["is_done"], naming(root, ANN)) == (0, True, [])
    rows = told["rows"]
    assert {name: n for name, n in rows.items() if n} == {
        "users": 1, "users_new": 1, "table_events": 2, "table_users": 1, "table_interactions": 2, "table_quarantine": 2,
        "table_candidates": 1, "table_examples": 1, "table_ranked": 1, "table_histories": 1, "table_user_features": 1,
        "table_top_n_lists": 1, "table_user_vocabulary": 1, "table_slots": 1, "table_outcomes": 1,
        "table_outcome_quarantine": 2, "staged_records": 2, "snapshots": 2, "snapshot_records": 2,
        "digest_recipients": 1, "kept_lists": 1, "preview_files": 1, "night_reports": 1,
        "landing_rows": 4,
    }  # fmt: skip
    assert larder("lookup", ANN, "-k", "3")[1]["source"] == "popular"
    assert larder("lookup", "user-08", "-k", "3")[1]["source"] == "personal"
    log = b"".join(path.read_bytes() for path in (root / "lake").rglob("_delta_log/*.json"))
    assert ANN.encode() not in log


def test_again_there_is_nothing_left_to_do(root: Path, larder: Larder) -> None:
    """The second run counts nothing, and the first day of the entry stays."""
    larder("erase", ANN, "--reason", "ticket 7", "--landing")
    register = Register(root / "erased")
    first = register.entries()
    code, told = larder("erase", ANN, "--reason", "ticket 8", "--landing")
    assert (code, {name for name, n in told["rows"].items() if n}) == (0, {"users"})
    assert register.entries() == first
    assert [one.reason for one in first.values()] == ["ticket 7"]


def test_it_is_not_called_done_while_a_file_names_the_user(root: Path, larder: Larder) -> None:
    """Landing files that are left alone, a log: the answer is 3 and names each; the rest is done."""
    (root / "logs").mkdir()
    (root / "logs" / "web.log").write_text(f"GET /v1/users/{ANN}/lists/home\nGET /v1/users/{ANN}0/lists/home\n")
    (root / "logs" / "other.log").write_text(f"GET /v1/users/{ANN}0/lists/home\n")
    pq.write_table(pa.table({"user_id": ["x", ANN], "n": [1, 2]}), root / "logs" / "sends.parquet", compression="zstd")
    code, told = larder("erase", ANN, "--reason", "ticket 7")
    assert (code, told["details"]["is_done"]) == (3, False)
    assert (told["rows"]["left_landing_files"], told["rows"]["left_other_files"]) == (3, 2)
    assert [Path(line).name for line in told["details"]["left_other_files"].split()] == ["sends.parquet", "web.log"]
    assert {path.split("/")[0] for path in naming(root, ANN)} == {"landing", "logs"}


def test_what_landed_of_others_stays_byte_for_byte(root: Path, larder: Larder) -> None:
    """A user whose id begins like the erased one's, a note that names the user in a field that is no id."""
    landing = Layout(root).landing_day("events", DAY)
    with (landing / "part.csv").open("a") as file:
        file.write("4,user-08,user-07\n")
    larder("erase", ANN, "--reason", "ticket 7", "--landing")
    assert pq.read_table(landing / "part.parquet")["user_id"].to_pylist() == ["user-070", "user-08"]
    assert (landing / "part.csv").read_text() == "event_id,user_id,note\n1,user-070,x\n3,user-08,y\n4,user-08,user-07\n"
    assert (landing / "part.jsonl").read_text() == '{"user_id":  "user-08"}\n'


def test_the_staged_build_can_still_be_published(root: Path, larder: Larder) -> None:
    """The blessing names what is left of it: publishing again changes nothing."""
    larder("erase", ANN, "--reason", "ticket 7")
    code, told = larder("publish", "--as-of", "2026-01-02")
    assert (code, told["details"]["is_new"]) == (0, False)
    assert naming(root / "store", ANN) == []


def test_a_digest_stays_one_that_can_be_checked(root: Path, larder: Larder) -> None:
    """The manifest counts the recipient as dropped, and sizes and checksums are those of the files."""
    larder("digest", "--placement", "home", "--as-of", "2026-01-02")
    (folder,) = [path.parent for path in (root / "digests").rglob("manifest.json")]
    old = json.loads((folder / "manifest.json").read_text())
    larder("erase", ANN, "--reason", "ticket 7")
    new = json.loads((folder / "manifest.json").read_text())
    assert (new["n_recipients"], new["dropped"]["erased"]) == (old["n_recipients"] - 1, 1)
    assert new["n_considered"] == new["n_recipients"] + new["n_holdout"] + sum(new["dropped"].values())
    assert (folder / "_SUCCESS").exists()
    for name, entry in new["files"].items():
        assert (folder / name).stat().st_size == entry["bytes"]
    assert new["files"]["lists.csv"]["records"] == old["files"]["lists.csv"]["records"] - 3


@pytest.mark.parametrize(("users", "reason"), [((), "x"), ((ANN,), ""), ((ANN,), f"asked by {ANN}")])
def test_a_request_that_names_nobody_or_tells_the_id_is_refused(
    root: Path, larder: Larder, users: tuple[str, ...], reason: str
) -> None:
    """Nothing is changed."""
    before = naming(root, ANN)
    code, told = larder("erase", *users, "--reason", reason)
    assert (code, told["error"]) == (1, "InputInvalid")
    assert naming(root, ANN) == before
    assert not (root / "erased").exists()


def test_stopped_at_any_table_and_run_again(root: Path, larder: Larder) -> None:
    """The user's index is known until the last table: the second run takes the rows that know nothing but it."""
    real = lake_rows._take
    for number in (3, 7, 11):
        taken: list[str] = []

        def take(layout: Layout, table: Table, *known: Any, at: int = number, taken: list[str] = taken) -> int:
            taken.append(table.name)
            if len(taken) == at:
                raise KeyboardInterrupt
            return real(layout, table, *known)

        copy = root.with_name(f"copy-{number}")
        shutil.copytree(root, copy)
        with mock.patch.object(lake_rows, "_take", take):
            CliRunner().invoke(cli.app, ["--root", str(copy), "erase", ANN, "--reason", "ticket 7", "--landing"])
        assert len(taken) == number
        done = CliRunner().invoke(cli.app, ["--root", str(copy), "erase", ANN, "--reason", "ticket 7", "--landing"])
        assert (done.exit_code, naming(copy, ANN)) == (0, [])
        for table in (tables.RANKED, tables.HISTORIES, tables.CANDIDATES):
            rows = deltalake.DeltaTable(str(Layout(copy).table(table))).to_pyarrow_table(columns=["user_idx"])
            assert 7 not in rows["user_idx"].to_pylist()
