"""The ranker's scores against LightGBM's own, and what the whole kernel of the ranking job takes beside."""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from benchmarks import synthetic
from benchmarks.results import Result, interleave, result, seconds
from benchmarks.sizes import SEED, Sizes, versions
from contracts.days import EPOCH
from contracts.settings import Candidates, Ranker, Settings
from jobs.kernels import ranking
from jobs.kernels.blocks import Kitchen
from models import candidates as candidate_rows
from models import item_arrays, ranker, ranking_features
from models.candidates import CandidateBlock
from models.ragged import AnyArray, Float32
from models.ranker import Examples, Lesson
from models.sources.base import is_new
from models.user_block import read_block

# Own items proposed again; (candidate, source) pairs without a rank; those without a score.
_OWN_SHARE: Final = 0.5
_UNRANKED_SHARE: Final = 0.7
_UNSCORED_SHARE: Final = 0.3

Batches = Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class OneBatch:
    """Stands where the kernel expects a DataFrame and runs what it would send to the Python workers at once."""

    batch: pa.RecordBatch

    def mapInArrow(self, kernel: Batches, _schema: str) -> list[pa.RecordBatch]:  # noqa: N802  Spark's name
        """The kernel's batches."""
        return list(kernel(iter([self.batch])))


def run(sizes: Sizes) -> Result:
    """The result of the stage `rank`; one thread, no Spark session."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        return _measure(sizes, Path(name))


def _measure(sizes: Sizes, folder: Path) -> Result:
    settings = Settings()
    kitchen, today = _kitchen(sizes, folder), synthetic.TODAY
    items = kitchen.catalogue().items
    batch = _batch(sizes)
    n_sources, n_scorers = len(settings.candidates.sources), len(settings.candidates.scorers)
    block, proposed = read_block(batch, sizes.items), candidate_rows.read(batch, n_sources, n_scorers)
    features = ranking_features.matrix(block, proposed, items, today=today)
    new = is_new(block, proposed.rows, proposed.items)
    boosters = _boosters(folder, block.n_users, features, new)
    ready = [features if placement.repeats else features[new] for placement in settings.placements.values()]
    trees = lgb.Booster(model_str=_model_text(folder))
    scorer = ranker.scorer(trees)
    users = cast("DataFrame", OneBatch(batch))
    samples = interleave(
        lambda: [ranker.predict(scorer, matrix) for matrix in ready],
        lambda: [trees.predict(matrix, raw_score=True, num_threads=1) for matrix in ready],
        repeats=sizes.repeats,
        peer_repeats=sizes.repeats,
    )
    n_rows, n_trees = sum(len(matrix) for matrix in ready), trees.num_trees()
    facts = {
        "ns per tree and row": statistics.median(samples["ours"]) / (n_rows * n_trees) * 1e9,
        "of the peer": statistics.median(samples["peer"]) / (n_rows * n_trees) * 1e9,
        "seconds to make the tables": seconds(lambda: ranker.scorer(trees)),
        "seconds of the whole kernel": statistics.median(
            seconds(lambda: ranking.rank(users, kitchen, boosters, settings.placements, repeats=True))
            for _ in range(sizes.repeats)
        ),
    }
    return result(
        "rank", samples, peer_name="LightGBM Booster.predict", ratio_is="peer / ours", goal=5.0, facts=facts,
        about=f"{block.n_users} users, {len(proposed.rows):,} candidates, {n_rows:,} rows predicted, "
        f"{features.shape[1]} features, {n_trees} trees of {settings.ranker.num_leaves} leaves, one thread; the whole "
        "kernel also reads Arrow, makes the features, sorts and writes Arrow",
        versions=versions("lightgbm", "numba", "numpy", "pyarrow"),
    )  # fmt: skip


def _kitchen(sizes: Sizes, folder: Path) -> Kitchen:
    made = folder / "item_arrays"
    item_arrays.save(made, synthetic.item_table(sizes.items, SEED), about={})

    def opened() -> Path:
        return made

    return Kitchen((opened, opened, opened), Candidates(), EPOCH + dt.timedelta(days=synthetic.TODAY))


def _batch(sizes: Sizes) -> pa.RecordBatch:
    """One block of users with their candidates: half of each user's past, the rest new to them."""
    share = sizes.ranked_users / sizes.users
    users, items = synthetic.events(sizes.ranked_users, sizes.items, int(sizes.events * share), SEED)
    matrix = synthetic.confidence(users, items, sizes.ranked_users, sizes.items)
    batch = next(synthetic.user_batches(matrix, SEED, sizes.ranked_users))
    proposed = candidate_rows.to_columns(_candidates(sizes, users, items), sizes.ranked_users)
    columns: dict[str, pa.Array] = {name: batch.column(name) for name in batch.schema.names}
    columns |= {"proposed_idx": proposed.pop("item_idx"), **proposed}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _candidates(sizes: Sizes, users: AnyArray, items: AnyArray) -> CandidateBlock:
    random = np.random.default_rng(SEED)
    own = random.random(len(users)) < _OWN_SHARE
    width = len(Candidates().sources)
    drawn = np.repeat(np.arange(sizes.ranked_users, dtype=np.int64), sizes.candidates)
    new = synthetic.skewed(random, sizes.items, len(drawn), 2.0)
    keys = np.concatenate([users[own].astype(np.int64) * sizes.items + items[own], drawn * sizes.items + new])
    unique = np.unique(keys)
    ranks = random.integers(1, Candidates().per_source, (len(unique), width)).astype(np.int16)
    ranks[random.random(ranks.shape) < _UNRANKED_SHARE] = 0
    scores = random.random((len(unique), width + len(Candidates().scorers)), dtype=np.float32)
    scores[random.random(scores.shape) < _UNSCORED_SHARE] = np.nan
    bits = ((ranks > 0) << np.arange(width)).sum(axis=1).astype(np.int32)
    return CandidateBlock(unique // sizes.items, (unique % sizes.items).astype(np.int32), bits, scores, ranks)


def _boosters(folder: Path, n_users: int, features: Float32, new: AnyArray) -> ranking.Boosters:
    """A ranker of the settings' size, trained on the block itself: its trees are as deep as a real night's."""
    random = np.random.default_rng(SEED)
    chance = np.where(new, 0.02, 0.2) * (1 + np.nan_to_num(features[:, -4]) / 60)
    labels = (random.random(len(features)) < chance).astype(np.int8)
    groups = np.array([len(part) for part in np.array_split(labels, n_users)], dtype=np.int64)
    names = ranking_features.names(Candidates().sources, Candidates().scorers)
    text = ranker.fit(Lesson([Examples(features, labels, groups)], Ranker()), names, seed=SEED, threads=1)
    ranker.save(folder / "ranker", {f"night-{name}": text for name in Settings().placements}, about={})

    def opened() -> Path:
        return folder / "ranker"

    return ranking.Boosters(opened, "night")


def _model_text(folder: Path) -> str:
    return (folder / "ranker" / f"night-{next(iter(Settings().placements))}.txt").read_text(encoding="utf-8")
