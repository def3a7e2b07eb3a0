from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.digest_section import Digest
from contracts.errors import InputInvalid, InputMissing
from export.digest import inputs, keys
from export.digest.audience import Files
from export.digest.lines import DigestManifest
from export.digest.sorting import Beside, sorted_rows
from export.digest.writing import Order, write_digest
from export.stores.mapped import MappedReader

Build = Callable[..., Any]
ROW = {"placement": "home", "segment": "all", "item_idx": [3], "scores": [1.0], "reasons": [0], "anchors": [-1]}
EVERYONE = [f"u{i}" for i in range(10)]


@pytest.fixture
def snapshot(tmp_path: Path, build: Build) -> MappedReader:
    """Ten users, u0 to u9, each with one item."""
    build(tmp_path / "s", rows=[{**ROW, "user_id": user} for user in EVERYONE])
    return MappedReader(tmp_path / "s")


def digest(snapshot: MappedReader, out: Path, files: Files, **rules: Any) -> DigestManifest:
    """The digest of the placement home."""
    order = Order("home", Digest(compression="none", **rules), dt.date(2026, 1, 2), files=files)
    return write_digest(snapshot, out, order)


def ids_in(path: Path) -> list[str]:
    """The users of a file of lists."""
    return [json.loads(line)["user_id"] for line in path.read_text().splitlines()]


def test_the_suppressed_and_those_without_consent_are_dropped_by_reason(tmp_path: Path, snapshot: MappedReader) -> None:
    """Text, CSV, Parquet; who is in two files counts for the first; a user the snapshot lacks counts for none."""
    (tmp_path / "unsubscribed.txt").write_text("\ufeffu1\r\nu2\n\nghost\n", encoding="utf-8")
    (tmp_path / "bounced.csv").write_text('\ufeffuser_id,note\nu2,"a, b"\nu3,\n', encoding="utf-8")
    consent = {"user_id": [*EVERYONE[:6], "u5", "u6"], "consent": [True] * 6 + [False, False]}
    pq.write_table(pa.table(consent), tmp_path / "newsletter.parquet")
    files = Files(
        suppression=(tmp_path / "unsubscribed.txt", tmp_path / "bounced.csv"), consent=tmp_path / "newsletter.parquet"
    )
    made = digest(snapshot, tmp_path / "d", files)
    assert ids_in(tmp_path / "d" / "lists.jsonl") == ["u0", "u4"]
    assert made.dropped == {"unsubscribed": 2, "bounced": 1, "no_consent": 5}
    assert (made.n_considered, made.n_recipients) == (10, 2)
    assert [(one.role, one.name, one.users_matched) for one in made.inputs] == [
        ("suppression", "unsubscribed.txt", 2), ("suppression", "bounced.csv", 2), ("consent", "newsletter.parquet", 7),
    ]  # fmt: skip
    assert made.inputs[1].sha256 == hashlib.sha256((tmp_path / "bounced.csv").read_bytes()).hexdigest()


def test_who_takes_consent_back_is_not_mailed(tmp_path: Path, snapshot: MappedReader) -> None:
    """A user with both answers counts as one who said no, in whatever order they stand."""
    (tmp_path / "c.csv").write_text("user_id,consent\nu0,no\nu0,yes\nu1,yes\nu1,0\nu2,Yes\nu2,true\n")
    digest(snapshot, tmp_path / "d", Files(consent=tmp_path / "c.csv"))
    assert ids_in(tmp_path / "d" / "lists.jsonl") == ["u2"]


def test_numbers_in_parquet_are_ids_as_text(tmp_path: Path, build: Build) -> None:
    """A column of integers suppresses the users whose ids read so."""
    build(tmp_path / "s", rows=[{**ROW, "user_id": str(user)} for user in (7, 8)])
    pq.write_table(pa.table({"user_id": [7]}), tmp_path / "unsubscribed.parquet")
    made = digest(MappedReader(tmp_path / "s"), tmp_path / "d", Files(suppression=(tmp_path / "unsubscribed.parquet",)))
    assert ids_in(tmp_path / "d" / "lists.jsonl") == ["8"]
    assert made.dropped == {"unsubscribed": 1}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "id\nu1\n", "no column 'user_id'"),
        ("a.csv", "user_id,x\nu1\n", "Line 2 has 1 cells, the header 2"),
        ("a.csv", 'user_id\n"u1\n', "cannot be read"),
        ("a.csv", "user_id\n\nu1\n", "Line 2 has 0 cells, the header 1"),
        ("a.csv", 'user_id,x\n"",1\n', "Row 1 has no id"),
        ("a.csv", "", "no column 'user_id'"),
        ("a.txt", "u\udcff\n", "cannot be read"),
        ("a.parquet", "u1\n", "cannot be read"),
        ("a.xlsx", "u1\n", "cannot be read from a file '.xlsx'"),
    ],
)
def test_a_suppression_file_that_cannot_be_read_stops_the_digest(
    tmp_path: Path, snapshot: MappedReader, name: str, text: str, told: str
) -> None:
    """Nobody is mailed because a file was misread."""
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputInvalid, match=told):
        digest(snapshot, tmp_path / "d", Files(suppression=(tmp_path / name,)))
    assert not (tmp_path / "d" / "_SUCCESS").exists()


def test_a_file_that_is_not_there_stops_the_digest(tmp_path: Path, snapshot: MappedReader) -> None:
    """An absent suppression file is an error, not an empty one; so is a second reason of one name."""
    with pytest.raises(InputMissing, match="no such file"):
        digest(snapshot, tmp_path / "d", Files(suppression=(tmp_path / "unsubscribed.txt",)))
    for path in (tmp_path / "a.txt", tmp_path / "a.csv", tmp_path / "no_consent.txt"):
        path.write_text("user_id\n")
    with pytest.raises(InputInvalid, match="'a' would be counted"):
        digest(snapshot, tmp_path / "d", Files(suppression=(tmp_path / "a.txt", tmp_path / "a.csv")))
    with pytest.raises(InputInvalid, match="'no_consent' would be counted"):
        digest(snapshot, tmp_path / "d", Files(suppression=(tmp_path / "no_consent.txt",)))


def test_the_holdout_is_counted_and_has_its_own_file(tmp_path: Path, snapshot: MappedReader) -> None:
    """Held-out users are in no list; with the mailed and the dropped they are all users; another salt draws others."""
    (tmp_path / "unsubscribed.txt").write_text("u9\n")
    files = Files(suppression=(tmp_path / "unsubscribed.txt",))
    made = digest(snapshot, tmp_path / "a", files, holdout_share=0.4, holdout_salt="spring")
    held = ids_in(tmp_path / "a" / "holdout.jsonl")
    assert held == ["u0", "u1", "u2", "u7", "u8"]
    assert sorted([*held, *ids_in(tmp_path / "a" / "lists.jsonl"), "u9"]) == EVERYONE
    assert (made.n_holdout, made.n_recipients, made.dropped) == (5, 4, {"unsubscribed": 1})
    digest(snapshot, tmp_path / "b", files, holdout_share=0.4, holdout_salt="summer")
    assert ids_in(tmp_path / "b" / "holdout.jsonl") != held


def test_the_holdout_takes_its_share_and_grows_with_it() -> None:
    """Of 20,000 users a tenth within three standard errors; a larger share holds the smaller one's users too."""
    tenth = {i for i in range(20_000) if keys.is_held_out(f"u{i}", salt="s", share=0.1)}
    fifth = {i for i in range(20_000) if keys.is_held_out(f"u{i}", salt="s", share=0.2)}
    assert abs(len(tenth) - 2_000) < 3 * (20_000 * 0.1 * 0.9) ** 0.5
    assert tenth < fifth
    assert not any(keys.is_held_out(f"u{i}", salt="s", share=0.0) for i in range(1_000))
    assert all(keys.is_held_out(f"u{i}", salt="s", share=1.0) for i in range(1_000))


def test_a_recipient_without_an_address_is_dropped(tmp_path: Path, snapshot: MappedReader) -> None:
    """Where addresses are given; two addresses of one user, or text that is none, stop the digest."""
    path = tmp_path / "addresses.csv"
    path.write_text("user_id,email\nu1,u1@shop.example\nu2,u2@shop.example\n")
    made = digest(snapshot, tmp_path / "d", Files(addresses=path))
    assert (ids_in(tmp_path / "d" / "lists.jsonl"), made.dropped) == (["u1", "u2"], {"no_address": 8})
    assert "shop.example" not in "".join(p.read_text() for p in (tmp_path / "d").iterdir())
    for text, told in (
        ("u1,a@b\nu1,c@d\n", "2 addresses"),
        ("u1,ab\n", "mail address"),
        ('u1,"a@b\nX: y"\n', "mail ad"),
    ):
        path.write_text(f"user_id,email\n{text}")
        with pytest.raises(InputInvalid, match=told):
            digest(snapshot, tmp_path / "d", Files(addresses=path))


def test_sends_are_read_with_or_without_clicks(tmp_path: Path) -> None:
    """Dates and times of a day are that day; without the column nothing was clicked."""
    path = tmp_path / "sends.csv"
    path.write_text("user_id,item_id,sent_on\nu1,tea,2026-01-01T09:30:00Z\n")
    assert list(inputs.send_rows(path)) == [("u1", "tea", "2026-01-01", "no")]
    table = {"user_id": ["u1"], "item_id": ["tea"], "sent_on": [dt.date(2026, 1, 1)], "clicked": [True]}
    pq.write_table(pa.table(table), tmp_path / "sends.parquet")
    assert list(inputs.send_rows(tmp_path / "sends.parquet")) == [("u1", "tea", "2026-01-01", "yes")]
    for line, told in (("u1,tea,yesterday,no", "not a date"), ("u1,tea,2026-01-01,maybe", "neither true nor false")):
        path.write_text(f"user_id,item_id,sent_on,clicked\n{line}\n")
        with pytest.raises(InputInvalid, match=told):
            list(inputs.send_rows(path))


@given(rows=st.lists(st.tuples(st.text(max_size=3), st.text(max_size=2))), size=st.integers(1, 5))
def test_rows_sorted_in_pieces_are_the_rows_sorted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], size: int
) -> None:
    """Whatever the size of a piece, each distinct row comes once, in order, and the pieces are gone."""
    folder = tmp_path_factory.mktemp("runs")
    assert list(sorted_rows(rows, folder, in_memory=size)) == sorted(set(rows))
    assert not list(folder.iterdir())


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdef"), st.text(max_size=1))),
    asked=st.sets(st.sampled_from("abcdefg")).map(sorted),
)
def test_rows_beside_are_those_of_the_user(rows: list[tuple[str, str]], asked: list[str]) -> None:
    """For every user asked for in ascending order, all rows and no other's."""
    beside = Beside(iter(sorted(rows)))
    assert {user: beside.rows_of(user) for user in asked} == {
        user: sorted(row for row in rows if row[0] == user) for user in asked
    }
    assert beside.n_matched == len(set(asked) & {row[0] for row in rows})
