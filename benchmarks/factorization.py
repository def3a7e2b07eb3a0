"""ALS against Spark MLlib's: the fit, and the best items of every user."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks import synthetic
from benchmarks.results import Result, interleave, result, seconds
from benchmarks.sizes import QUICK, SEED, Sizes, versions
from contracts.days import EPOCH
from contracts.settings import Als, Candidates, Settings, Spark
from jobs.artifacts import SharedFolder
from jobs.kernels.blocks import Kitchen, candidates_of
from jobs.machine import session_health
from jobs.session import cores
from models import als, item_arrays
from models.als import Factors
from models.ragged import Float32
from models.sources import als as source_als
from models.user_block import UserBlock, read_block

# A night's session compiles with the first compiler only, which suits many short queries. MLlib's long loops want the
# second one: without it the peer takes twice as long.
_FULL_COMPILER: Final = {"spark.driver.extraJavaOptions": "-XX:+UseParallelGC -Dlog4j2.level=error"}
_PACKAGES: Final = ("numba", "numpy", "scipy", "pyspark", "pyarrow")
_PAIRS_COMPARED: Final = 200_000


@dataclass(slots=True)
class Bench:
    """The matrix, the session, and the models that the stages hand on."""

    spark: SparkSession
    folder: Path
    sizes: Sizes
    matrix: sparse.csr_matrix
    settings: Als
    ours: list[Factors] = field(default_factory=list)
    peers: list[ALSModel] = field(default_factory=list)


def run(sizes: Sizes, stages: tuple[str, ...]) -> list[Result]:
    """The results of `als_fit` and `candidates`, those of them that are asked for; in a Spark session of their own."""
    made: list[Result] = []
    with _bench(sizes) as bench:
        ratings = _ratings(bench, bench.matrix, "ratings")
        _warm_up(bench)
        if "als_fit" in stages:
            made.append(_als_fit(bench, ratings))
        if "candidates" in stages:
            made.append(_candidates(bench, ratings))
    return made


@contextmanager
def _bench(sizes: Sizes) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as folder:
        settings = Settings(root=folder, spark=Spark(conf=_FULL_COMPILER))
        spark = session_health.start(settings, is_quiet=True)
        try:
            users, items = synthetic.events(sizes.users, sizes.items, sizes.events, SEED)
            matrix = synthetic.confidence(users, items, sizes.users, sizes.items)
            yield Bench(spark, Path(folder), sizes, matrix, Als(iterations=sizes.iterations))
        finally:
            spark.stop()


def _als_fit(bench: Bench, ratings: DataFrame) -> Result:
    samples = interleave(
        lambda: bench.ours.append(_fit(bench.matrix, bench.settings)),
        lambda: bench.peers.append(_peer(bench.matrix, bench.settings).fit(ratings)),
        repeats=bench.sizes.repeats,
        peer_repeats=bench.sizes.peer_repeats,
    )
    peer = Factors(_factors(bench.peers[-1].userFactors, bench.sizes.users),
                   _factors(bench.peers[-1].itemFactors, bench.sizes.items))  # fmt: skip
    return result(
        "als_fit", samples, peer_name="Spark MLlib ALS.fit", ratio_is="peer / ours", goal=30.0,
        about=f"{_shape(bench)}, {bench.settings.factors} factors, {bench.settings.iterations} iterations; "
        "ours by 3 conjugate gradient steps, the peer exactly",
        facts={"ours_auc": _auc(bench.ours[-1], bench.matrix), "peer_auc": _auc(peer, bench.matrix)},
        versions=versions(*_PACKAGES),
    )  # fmt: skip


def _candidates(bench: Bench, ratings: DataFrame) -> Result:
    once = Als(iterations=1)
    factors = bench.ours[-1] if bench.ours else _fit(bench.matrix, once)
    peer = bench.peers[-1] if bench.peers else _peer(bench.matrix, once).fit(ratings)
    n = Candidates().per_source
    blocks = [
        read_block(batch, bench.sizes.items)
        for batch in synthetic.user_batches(bench.matrix, SEED, Spark().block_users)
    ]
    samples = interleave(
        lambda: _propose(factors, blocks, n),
        lambda: _force(peer.recommendForAllUsers(n)),
        repeats=bench.sizes.repeats,
        peer_repeats=bench.sizes.peer_repeats,
    )
    return result(
        "candidates", samples, peer_name="Spark MLlib recommendForAllUsers", ratio_is="peer / ours", goal=30.0,
        about=f"{_shape(bench)}, {n} a user; ours is the source als over blocks of users, a thread a core, and leaves "
        "out what was bought; the peer does not. The job's whole kernel, which also reads the users' histories through "
        "Spark and writes a row a user, is told beside",
        facts={"whole_kernel_through_spark_seconds": _through_spark(bench, factors)},
        versions=versions(*_PACKAGES),
    )  # fmt: skip


def _propose(factors: Factors, blocks: list[UserBlock], n: int) -> None:
    source = source_als.Als(factors.users, factors.items, np.ones(len(factors.items), dtype=np.bool_))
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda block: source.propose(block, n), blocks):
            pass


def _through_spark(bench: Bench, factors: Factors) -> float:
    """Seconds of `candidates_of` for all users, the Python workers already started."""
    users, kitchen = _users(bench), _kitchen(bench, factors)
    _force(candidates_of(users.where(f"user_idx < {Spark().block_users}"), kitchen))
    return seconds(lambda: _force(candidates_of(users, kitchen)))


def _warm_up(bench: Bench) -> None:
    """Compiled Java for the peer, by the stages' own calls on a small matrix."""
    users, items = synthetic.events(QUICK.users, QUICK.items, QUICK.events, SEED)
    small = synthetic.confidence(users, items, QUICK.users, QUICK.items)
    settings = Als(iterations=QUICK.iterations)
    model = _peer(small, settings).fit(_ratings(bench, small, "warm_up"))
    _force(model.recommendForAllUsers(10))


def _fit(matrix: sparse.csr_matrix, settings: Als) -> Factors:
    return als.fit(matrix, settings, seed=SEED, threads=cores(), start=None)


def _peer(matrix: sparse.csr_matrix, settings: Als) -> ALS:
    # MLlib multiplies its regularization by the ratings of each user and item, ours does not.
    per_rating = settings.regularization * matrix.shape[0] / matrix.nnz
    blocks = 2 * cores()
    return ALS(
        rank=settings.factors, maxIter=settings.iterations, regParam=per_rating, alpha=settings.alpha,
        implicitPrefs=True, userCol="user", itemCol="item", ratingCol="rating", seed=SEED, numUserBlocks=blocks,
        numItemBlocks=blocks,
    )  # fmt: skip


def _ratings(bench: Bench, matrix: sparse.csr_matrix, name: str) -> DataFrame:
    """The matrix as cached rows, so that the peer's time has no reading in it."""
    pairs = matrix.tocoo()
    columns: dict[str, Any] = {"user": pairs.row.astype(np.int32), "item": pairs.col.astype(np.int32)}
    file = bench.folder / f"{name}.parquet"
    pq.write_table(pa.table({**columns, "rating": pairs.data}), file)
    rows = bench.spark.read.parquet(str(file)).repartition(2 * cores()).cache()
    rows.count()
    return rows


def _users(bench: Bench) -> DataFrame:
    file = bench.folder / "users.parquet"
    pq.write_table(
        pa.Table.from_batches(synthetic.user_batches(bench.matrix, SEED, Spark().block_users)), file,
        row_group_size=4 * Spark().block_users,
    )  # fmt: skip
    return bench.spark.read.parquet(str(file))


def _kitchen(bench: Bench, factors: Factors) -> Kitchen:
    made = {kind: bench.folder / kind for kind in ("item_arrays", "als", "neighbours")}
    item_arrays.save(made["item_arrays"], synthetic.item_table(bench.sizes.items, SEED), about={})
    als.save(made["als"], {"als": factors}, about={})
    folders = [SharedFolder(bench.spark, folder).open for folder in made.values()]
    today = EPOCH + dt.timedelta(days=synthetic.TODAY)
    return Kitchen((folders[0], folders[1], folders[2]), Candidates(sources=("als",), scorers=()), today)


def _force(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def _factors(rows: DataFrame, n: int) -> Float32:
    """MLlib's factors by index; rows it never saw are zero."""
    table = rows.toArrow().combine_chunks()
    vectors = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
    out = np.zeros((n, vectors.shape[1]), dtype=np.float32)
    out[table["id"].to_numpy()] = vectors
    return out


def _auc(factors: Factors, matrix: sparse.csr_matrix) -> float:
    """Share of bought pairs that score above a random item of the same user."""
    random = np.random.default_rng(SEED)
    pairs = matrix.tocoo()
    chosen = random.integers(0, pairs.nnz, min(pairs.nnz, _PAIRS_COMPARED))
    users, items = factors.users[pairs.row[chosen]], factors.items
    bought = np.einsum("ij,ij->i", users, items[pairs.col[chosen]])
    other = np.einsum("ij,ij->i", users, items[random.integers(0, matrix.shape[1], len(chosen))])
    return float((bought > other).mean())


def _shape(bench: Bench) -> str:
    return f"{bench.sizes.users:,} x {bench.sizes.items:,}, {bench.sizes.events:,} events, {bench.matrix.nnz:,} pairs"
