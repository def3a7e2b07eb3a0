from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.digest_section import Digest
from export.digest import ahead
from export.digest.audience import Files
from export.digest.writing import Order, write_digest
from export.stores.mapped import MappedReader
from tests.stores.places import Place

Build = Callable[..., Any]


def test_the_digest_is_the_same_from_every_store(
    tmp_path: Path, place: Place, publish: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files, byte for byte, as from the snapshot directory itself; users are read in batches of two."""
    monkeypatch.setattr(ahead, "BATCH", 2)
    store = place.store()
    reader = store.open(publish(store, 1))
    (tmp_path / "ids.txt").write_text("ann\nbob\nzed\n")
    (tmp_path / "sends.csv").write_text("user_id,item_id,sent_on\nann,jam,2026-01-01\n")
    for name, files in (
        ("all", Files()),
        ("some", Files(recipients=tmp_path / "ids.txt", sends=tmp_path / "sends.csv")),
    ):
        rules = Digest(k=2, min_items=2, compression="none")
        order = Order("home", rules, dt.date(2026, 1, 2), key=b"0123456789abcdef", format="braze", files=files)
        wanted = write_digest(MappedReader(tmp_path / "build"), tmp_path / f"{name}-wanted", order)
        assert write_digest(reader, tmp_path / f"{name}-found", order) == wanted
        assert wanted.n_recipients == 3
        for path in (tmp_path / f"{name}-wanted").iterdir():
            assert (tmp_path / f"{name}-found" / path.name).read_bytes() == path.read_bytes()
