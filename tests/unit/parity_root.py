"""The random shop's tables and artifacts in a root, as a night leaves them before it stages its lists."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import deltalake
import numpy as np
import pyarrow as pa

from contracts import tables
from contracts.days import EPOCH
from contracts.layout import Layout
from contracts.settings import Candidates, Exploration, Placement, Settings
from contracts.tables import Table
from jobs import lake
from models import als, artifact, exposure, ranker, shelf
from models.rerank import Lists
from models.sources import alike, ease
from models.user_block import USER_NUMBERS
from tests.unit.parity_shop import LISTS, N_ITEMS, N_NEAREST, N_USERS, SCORERS, SOURCES, TODAY, RandomShop

DAY: Final = EPOCH + dt.timedelta(days=TODAY)
PLACEMENTS: Final = {"home": Placement(repeats=True, length=10), "discover": Placement(repeats=False, length=10)}


def settings_of(root: Path, **gates: Any) -> Settings:
    """The settings of the root."""
    candidates = Candidates(sources=SOURCES, scorers=SCORERS, alike_neighbours=N_NEAREST)
    return Settings(
        root=str(root), candidates=candidates, placements=PLACEMENTS, seed=7,
        exploration=Exploration(share={}), **gates,
    )  # fmt: skip


def write_root(night: RandomShop, root: Path) -> None:
    """Everything that a night of `DAY` reads or leaves, made by the kernels; one user of the vocabulary has no list."""
    layout = Layout(root)
    ids = [f"user-{user}" for user in range(N_USERS + 1)]
    users = [{"user_idx": i, "user_id": name, "segment": "all", "attributes": None} for i, name in enumerate(ids)]
    first = {"first_day": DAY - dt.timedelta(days=100)}
    _write(layout, tables.USERS, users)
    _write(layout, tables.USER_VOCABULARY, [{**row, **first} for row in users])
    _write(layout, tables.ITEM_VOCABULARY, [{"item_idx": i, "item_id": f"item-{i}", **first} for i in range(N_ITEMS)])
    _write(layout, tables.ITEMS, [_item(night, i) for i in range(N_ITEMS)])
    _write(layout, tables.ITEM_FEATURES, [_item_features(night, i) for i in range(N_ITEMS)])
    _write(layout, tables.USER_FEATURES, [{name: row[name] for name in ("user_idx", *USER_NUMBERS, "segment")}
                                          for row in night.rows])  # fmt: skip
    names = ("user_idx", "n_baskets", "first_day", "last_day")
    _write(layout, tables.HISTORIES, [{**{name: row[name] for name in names},
                                       **{name: np.asarray(row[name]).tolist() for name in LISTS}}
                                      for row in night.rows])  # fmt: skip
    _write(layout, tables.CANDIDATES, [
        {"user_idx": p.user_idx, "item_idx": p.items.tolist(), "source_bits": [0] * len(p.items),
         "source_scores": p.scores.astype("<f4").tobytes(), "source_ranks": p.ranks.astype("<i2").tobytes()}
        for p in night.people
    ])  # fmt: skip
    fallback = {"segment": "all", "item_idx": [0, 1], "scores": [1.0, 0.5]}
    _write(layout, tables.FALLBACK_LISTS, [{"placement": name, **fallback} for name in PLACEMENTS])
    boosters = {name: night.booster(seed) for seed, name in enumerate(PLACEMENTS)}
    rows = [
        _list(name, user, one)
        for name, placement in PLACEMENTS.items()
        for user, one in enumerate(night.made(placement, boosters[name], is_explored=False))
    ]
    _write(layout, tables.TOP_N_LISTS, rows)
    texts = {f"night-{name}": booster.model_to_string() for name, booster in boosters.items()}
    ranker.save(layout.artifact("ranker", DAY), texts, about={})
    als.save(layout.artifact("als", DAY), {"als": als.Factors(*night.factors)}, about={})
    scorers = ease.to_arrays(*night.weights) | alike.to_arrays(*night.pool)
    artifact.save(layout.artifact("neighbours", DAY), arrays=scorers, texts={}, about={})
    exposure.Exposure(10).save(layout.artifact("exposure", DAY), about={})
    shelf.save(layout.artifact("shelf", DAY), night.shelf, about={})


def _item(night: RandomShop, item: int) -> dict[str, Any]:
    texts = {name: values[item] for name, values in night.texts.items()}
    return {"item_idx": item, "item_id": f"item-{item}", **texts, "is_available": True, "is_recommendable": True}


def _item_features(night: RandomShop, item: int) -> dict[str, Any]:
    row: dict[str, Any] = {"item_idx": item, "is_recommendable": bool(night.items.is_recommendable[item])}
    for name, values in night.numbers.items():
        value = float(values[item])
        row[name] = None if np.isnan(value) else int(value) if name.startswith("buyers") else value
    return row


def _list(placement: str, user: int, made: Lists) -> dict[str, Any]:
    return {
        "placement": placement, "user_idx": user, "user_id": f"user-{user}", "segment": "all",
        "item_idx": made.items.tolist(), "scores": made.scores.tolist(), "reasons": made.reasons.tolist(),
        "anchors": [-1] * len(made.items), "usual_idx": made.items.tolist(), "propensities": [1.0] * len(made.items),
    }  # fmt: skip


def _write(layout: Layout, table: Table, rows: list[dict[str, Any]]) -> None:
    lake.create(layout, table)
    delta = deltalake.DeltaTable(str(layout.table(table)))
    schema = pa.schema(delta.schema().to_arrow())
    complete = [{name: row.get(name) for name in schema.names} | {"as_of": DAY} for row in rows]
    kept = [{name: row[name] for name in schema.names} for row in complete]
    deltalake.write_deltalake(delta, pa.Table.from_pylist(kept, schema=schema), mode="append")
