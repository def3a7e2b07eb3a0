"""What the import refuses, by name, and what it leaves untouched then."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import InputInvalid, InputMissing
from contracts.report import JobReport
from jobs.shops.import_shop import import_shop


def _parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _items(folder: Path) -> Path:
    return _parquet(folder / "items.parquet", item_id=["a", "b"])


def _run(folder: Path, events: Path, **arguments: Any) -> JobReport:
    given: dict[str, Any] = {
        "events": events,
        "items": _items(folder),
        "users": None,
        "into": folder / "into",
        "columns": {},
    }
    return import_shop(**(given | arguments))


def _digests(root: Path) -> dict[str, str]:
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_landing_files_of_others_stay(tmp_path: Path) -> None:
    """An import refuses a landing folder with a file that no import wrote, and leaves it as it is."""
    foreign = tmp_path / "into/landing/events/date=2024-01-01/part-7.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"kept")
    events = _parquet(
        tmp_path / "e.parquet", user_id=["u"], item_id=["a"], event_type=["buy"], timestamp=["2020-01-01"]
    )

    with pytest.raises(
        InputInvalid, match=r"1 landing files were not written by an import, events/date=2024-01-01/part-7"
    ):
        _run(tmp_path, events)

    assert foreign.read_bytes() == b"kept"


def test_failed_import_leaves_the_landing_folder(tmp_path: Path) -> None:
    """A malformed line names its number, and what was imported before stays byte by byte."""
    good = _parquet(tmp_path / "e.parquet", user_id=["u"], item_id=["a"], event_type=["buy"], timestamp=["2020-01-01"])
    _run(tmp_path, good)
    before = _digests(tmp_path / "into")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"user_id": 1, "item_id": 2, "event_type": "buy", "timestamp": 1}\n{"user_id": \n')

    with pytest.raises(InputInvalid, match="Line 2 is not a JSON object"):
        _run(tmp_path, bad)

    assert _digests(tmp_path / "into") == before


@pytest.mark.parametrize(
    ("content", "name"), [(b"PAR1 no more", "e.parquet"), (b"user_id,item_id,event_type,timestamp\n1,2\n", "e.csv"),
                          (b"user_id,item_id,event_type,timestamp\n\xff,2,3,4\n", "e.csv")],
)  # fmt: skip
def test_corrupt_file_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    """A truncated Parquet file, a short CSV line and bytes that are no UTF-8 raise InputInvalid with the file."""
    file = tmp_path / name
    file.write_bytes(content)

    with pytest.raises(InputInvalid, match="The file cannot be read") as caught:
        _run(tmp_path, file)

    assert caught.value.where == str(file)


def test_missing_column_is_explained(tmp_path: Path) -> None:
    """A missing column's error names the column, the file, what is there and how to map it."""
    events = _parquet(tmp_path / "e.parquet", customer=["u"], item_id=["a"], event_type=["b"], timestamp=["2020-01-01"])

    with pytest.raises(InputInvalid) as caught:
        _run(tmp_path, events)

    assert caught.value.as_dict() == {
        "error": "InputInvalid",
        "what": "Column user_id is missing; there are customer, item_id, event_type, timestamp.",
        "where": str(events),
        "todo": "Say which one it is: `larder import --map user_id=...`.",
    }


@pytest.mark.parametrize(
    ("columns", "what"),
    [({"usr": "u"}, "The mapping names usr, which is no column of ours."),
     ({"user_id": "kunde"}, "The mapping names kunde, which is in none of the files.")],
)  # fmt: skip
def test_wrong_mapping_is_refused(tmp_path: Path, columns: dict[str, str], what: str) -> None:
    """A mapping to an unknown column of ours, or from one the shop does not have, is refused by name."""
    events = _parquet(tmp_path / "e.parquet", user_id=["u"], item_id=["a"], event_type=["b"], timestamp=["2020-01-01"])

    with pytest.raises(InputInvalid) as caught:
        _run(tmp_path, events, columns=columns)

    assert caught.value.what == what


def test_nothing_there(tmp_path: Path) -> None:
    """A path that does not exist is InputMissing, a folder without data files InputInvalid."""
    with pytest.raises(InputMissing, match="does not exist"):
        _run(tmp_path, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputInvalid, match="holds no data file"):
        _run(tmp_path, tmp_path / "empty")


@pytest.mark.parametrize(
    ("stamps", "what"), [([], "There is no event."), (["soon", "later"], "None of the 2 timestamps can be read.")]
)
def test_no_usable_event(tmp_path: Path, stamps: list[str], what: str) -> None:
    """No row at all, or no readable timestamp, is refused: there is no day to land on."""
    texts = pa.array(["u"] * len(stamps), pa.string())
    events = _parquet(
        tmp_path / "e.parquet", user_id=texts, item_id=texts, event_type=texts, timestamp=pa.array(stamps, pa.string())
    )

    with pytest.raises(InputInvalid) as caught:
        _run(tmp_path, events)

    assert caught.value.what == what
