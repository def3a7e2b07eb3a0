from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputInvalid
from export.erasing.register import Register
from export.erasing.rows import take_rows

ANN = {"ann"}


def test_elements_of_a_senders_batch_go_and_the_line_stays(tmp_path: Path) -> None:
    """The innermost array around the id loses the element; a line that is all the user's goes."""
    path = tmp_path / "braze.jsonl"
    lines = [
        {"recipients": [{"external_id": "ann", "n": 1}, {"external_id": "bob", "n": [1, 2]}], "all": "x"},
        {"recipients": [{"external_id": "ann"}]},
        {"input": {"userId": "ann"}, "output": {}},
        {"item_id": "ann", "title": "ann"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert take_rows(path, ANN) == 3
    left = [json.loads(line) for line in path.read_text().splitlines()]
    assert left == [{"recipients": [{"external_id": "bob", "n": [1, 2]}], "all": "x"}, lines[3]]
    assert take_rows(path, ANN) == 0


def test_an_element_without_an_id_is_known_by_its_tracking_id(tmp_path: Path) -> None:
    """Also where it stands inside a text, such as a template's data."""
    path = tmp_path / "ses.jsonl"
    entries = [{"to": "a@x", "data": '{"t":"t0123"}'}, {"to": "b@x", "data": '{"t":"t9999"}'}]
    path.write_text(json.dumps({"Entries": entries}) + "\n")
    assert take_rows(path, ANN, marks=["t0123"]) == 1
    assert json.loads(path.read_text()) == {"Entries": entries[1:]}


def test_a_compressed_file_stays_compressed(tmp_path: Path) -> None:
    """JSON lines in Zstandard."""
    path = tmp_path / "lists.jsonl.zst"
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(b'{"user_id":"ann"}\n{"user_id":"bob"}\n')
    assert take_rows(path, ANN, is_dry=True) == 1
    assert take_rows(path, ANN) == 1
    with pa.input_stream(str(path), compression="zstd") as stream:
        assert stream.read() == b'{"user_id":"bob"}\n'


def test_a_cell_that_was_kept_from_a_spreadsheet_is_found(tmp_path: Path) -> None:
    """An id that begins a formula stands behind an apostrophe; other bytes stay, bad ones too."""
    path = tmp_path / "lists.csv"
    path.write_bytes(b'rank,user_id\r\n1,\'=ann\r\n2,"x,\xff\ny"\r\n3,ann\r\n')
    assert take_rows(path, {"=ann"}) == 1
    assert path.read_bytes() == b'rank,user_id\r\n2,"x,\xff\ny"\r\n3,ann\r\n'


def test_a_list_of_ids_loses_a_line(tmp_path: Path) -> None:
    """And only the line that is the id."""
    path = tmp_path / "bounced.txt"
    path.write_text("ann\nanna\n ann \nbob")
    assert take_rows(path, ANN) == 2
    assert path.read_text() == "anna\nbob"


def test_a_file_without_the_user_is_left_alone(tmp_path: Path) -> None:
    """Not even its time changes."""
    path = tmp_path / "part.csv"
    path.write_text("user_id\nbob\n")
    os.utime(path, (1, 1))
    assert take_rows(path, ANN) == 0
    assert path.stat().st_mtime == 1


@given(st.text(min_size=1))
def test_the_pads_give_the_hash_that_the_register_keeps(tmp_path_factory: pytest.TempPathFactory, user: str) -> None:
    """For any id: what hashes inside and outside with the pads agrees with HMAC-SHA-256."""
    register = Register(tmp_path_factory.mktemp("erased"))
    register.add(["x"], at="2026-01-01T00:00:00Z", reason="r")
    pads, name = register.pads(), user.encode("utf-8", "surrogatepass")
    inner = hashlib.sha256(pads.inner + name).digest()
    assert hashlib.sha256(pads.outer + inner).hexdigest() == register.hash_of(user)
    key = (register._folder / "key").read_bytes()
    assert hmac.new(key, name, "sha256").hexdigest() == register.hash_of(user)


def test_the_register_names_nobody_and_guards_its_key(tmp_path: Path) -> None:
    """The id is in no file, the key only its owner's; without the key the list is refused, never ignored."""
    register = Register(tmp_path / "erased")
    assert register.entries() == {}
    assert register.add(["ann", "bob", "ann"], at="2026-01-01T00:00:00Z", reason="r") == 2
    assert register.add(["bob", "cat"], at="2026-01-02T00:00:00Z", reason="s") == 1
    assert [one.reason for one in Register(tmp_path / "erased").entries().values()].count("r") == 2
    assert (tmp_path / "erased" / "key").stat().st_mode & 0o777 == 0o600
    assert b"ann" not in b"".join(path.read_bytes() for path in (tmp_path / "erased").iterdir())
    (tmp_path / "erased" / "key").unlink()
    with pytest.raises(InputInvalid, match="key"):
        register.entries()
    with pytest.raises(InputInvalid, match="key"):
        register.add(["dan"], at="2026-01-02T00:00:00Z", reason="s")
