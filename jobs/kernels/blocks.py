"""One row a user with everything the kernels need, and the kernels run over it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyspark import Accumulator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.days import day_number
from contracts.settings import Candidates, Impressions, Shares
from jobs.kernels.metering import metered, metered_scorers
from models import candidates as candidate_rows
from models import examples, impressions, ranking_features
from models.impressions import Float64
from models.sources import registry
from models.sources.base import Scorer, Source
from models.sources.registry import Catalogue, Folders
from models.user_block import read_block

EXAMPLES_SCHEMA: Final = (
    "user_idx int, labels array<tinyint>, is_new array<boolean>, features binary, is_clicked array<boolean>, "
    "weights array<float>, n_shown int"
)
CANDIDATE_COLUMNS: Final = {
    "proposed_idx": "array<int>", "source_bits": "array<int>", "source_scores": "binary", "source_ranks": "binary",
}  # fmt: skip
"""What `features.user_rows.with_candidates` adds to a user, and its type."""


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What a Python worker needs to make the candidates of a date; small enough to travel with the task."""

    open_folders: tuple[Callable[[], Path], Callable[[], Path], Callable[[], Path]]
    settings: Candidates
    as_of: dt.date

    def catalogue(self) -> Catalogue:
        """The artifacts of the date, opened once a worker."""
        return _catalogue(Folders(*(open_() for open_ in self.open_folders)), self.settings)

    def sources(self) -> dict[str, Source]:
        """The sources of the date, made once a worker."""
        return _sources(Folders(*(open_() for open_ in self.open_folders)), self.settings)

    def scorers(self) -> dict[str, Scorer]:
        """The scorers of the date, made once a worker."""
        return _scorers(Folders(*(open_() for open_ in self.open_folders)), self.settings)


@dataclass(frozen=True, slots=True)
class Learning:
    """How shown slots become examples; small enough to travel with the task.

    Attributes:
        looked: by placement, the probability that each position is looked at though nothing is clicked.
        settings: shares and gains.
    """

    looked: dict[str, Float64]
    settings: Impressions


@lru_cache(maxsize=2)
def _catalogue(folders: Folders, settings: Candidates) -> Catalogue:
    return Catalogue(folders, settings)


@lru_cache(maxsize=2)
def _sources(folders: Folders, settings: Candidates) -> dict[str, Source]:
    return registry.build(_catalogue(folders, settings))


@lru_cache(maxsize=2)
def _scorers(folders: Folders, settings: Candidates) -> dict[str, Scorer]:
    return registry.build_scorers(_catalogue(folders, settings))


def candidates_of(users: DataFrame, kitchen: Kitchen, costs: Accumulator[dict[str, float]] | None = None) -> DataFrame:
    """Rows of the table `candidates` without `as_of`, one row a user of `users`.

    Args:
        users: the result of `user_frame` for the kitchen's date.
        kitchen: artifacts and settings.
        costs: where the processor seconds of each source add up, as often as the rows are made.
    """
    columns = {"user_idx": "int", "item_idx": "array<int>", **dict(list(CANDIDATE_COLUMNS.items())[1:])}

    def generate_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch, made in _generated(blocks, kitchen, costs):
            yield pa.RecordBatch.from_arrays([batch.column("user_idx"), *made.values()], names=list(columns))

    return users.mapInArrow(generate_blocks, _ddl(columns))


def proposed_to(users: DataFrame, kitchen: Kitchen, costs: Accumulator[dict[str, float]] | None = None) -> DataFrame:
    """The result of `with_candidates` for users whose candidates were not made yet; they are read once, not joined.

    Args:
        users: the result of `user_frame` for the kitchen's date, or some of its rows.
        kitchen: artifacts and settings.
        costs: as `candidates_of` has them.
    """
    columns = dict(users.dtypes) | CANDIDATE_COLUMNS

    def generate_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch, made in _generated(blocks, kitchen, costs):
            yield pa.RecordBatch.from_arrays([*batch.columns, *made.values()], names=list(columns))

    return users.mapInArrow(generate_blocks, _ddl(columns))


def _generated(
    blocks: Iterable[pa.RecordBatch], kitchen: Kitchen, costs: Accumulator[dict[str, float]] | None
) -> Iterator[tuple[pa.RecordBatch, dict[str, pa.Array]]]:
    n_items, sources, scorers = kitchen.catalogue().items.n_items, kitchen.sources(), kitchen.scorers()
    if costs is not None:
        sources, scorers = metered(sources, costs), metered_scorers(scorers, costs)
    for batch in blocks:
        made = candidate_rows.generate(read_block(batch, n_items), sources, kitchen.settings.per_source, scorers)
        yield batch, candidate_rows.to_columns(made, batch.num_rows)


def _ddl(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def examples_of(
    users: DataFrame,
    after: DataFrame,
    kitchen: Kitchen,
    *,
    shares: Shares,
    seed: int,
    learning: Learning | None = None,
) -> DataFrame:
    """Rows of the table `examples` without `as_of` and `fingerprint`: users who took a candidate in the window.

    Args:
        users: the result of `user_frame` for the kitchen's date.
        after: `user_idx` and `bought`, the items bought in the window; with `learning` also `shown`, the structs of
            `models.impressions.read`. Either is null where there is nothing.
        kitchen: artifacts and settings of the date before the window.
        shares: kept shares of the candidates that were not bought.
        seed: of the sampling.
        learning: how impressions count; None where the window has no log.
    """
    today = day_number(kitchen.as_of)
    per_source = kitchen.settings.per_source

    def label_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        items = kitchen.catalogue().items
        for batch in blocks:
            block = read_block(batch, items.n_items)
            made = candidate_rows.generate(block, kitchen.sources(), per_source, kitchen.scorers())
            told = {"shares": shares, "seed": seed + today, **_logged(batch, learning)}
            rows = examples.label(block, made, batch.column("bought"), **told)
            features = ranking_features.matrix(block, rows.candidates, items, today=today)
            columns = {"user_idx": batch.column("user_idx")}
            columns |= examples.to_columns(rows, features, batch.num_rows, has_log=learning is not None)
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    return users.join(after, "user_idx").mapInArrow(label_blocks, EXAMPLES_SCHEMA).where(F.size("labels") > 0)


def _logged(batch: pa.RecordBatch, learning: Learning | None) -> dict[str, Any]:
    """What `label` is told of the impressions of a block."""
    if learning is None:
        return {}
    shown = impressions.read(batch.column("shown"))
    return {"seen": impressions.seen(shown, learning.looked), "wanted": learning.settings}
