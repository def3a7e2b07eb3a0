from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from contracts.settings import Segments
from jobs.kernels.ledger import NEEDED, counted
from jobs.kernels.metering import costs_of, cpu_seconds, metered
from models.measures import Plan
from models.sources.base import Proposals, nothing

PLAN = Plan((("home", True), ("discover", False)), ("own", "als", "popular"), 2)
KITCHEN: Any = SimpleNamespace(catalogue=lambda: SimpleNamespace(segments={"all": 0, "uk": 1}))
NO_BLOCK: Any = None
# User 1 owns 3, was proposed 1 by ALS and popular and 4 by ALS, and bought 1, 3 and the unknown 8; 2 bought 0 again.
ROWS = [
    (1, "uk", 1, [3], [1], [1.0], [1, 3, 4], [6, 1, 2], [1, 3, 8], [1, 8], [3, 1], [1]),
    (2, "fr", 9, [0], [1], [1.0], [0, 2], [1, 2], [0], [], None, [2]),
]
DDL = (
    "user_idx int, segment string, n_baskets int, item_idx array<int>, baskets array<int>, quantities array<float>, "
    "proposed_idx array<int>, source_bits array<int>, truth_all array<int>, truth_new array<int>, list_0 array<int>, "
    "list_1 array<int>"
)


def test_the_ledger_adds_up_over_users_and_blocks(spark: SparkSession) -> None:
    """Two users in blocks of their own: sums of all, of the segment that is known, and of users by their baskets."""
    users = spark.createDataFrame(ROWS, DDL).repartition(2, "user_idx")
    assert set(NEEDED) <= set(users.columns)
    rows = counted(users, KITCHEN, PLAN, {"home": 5, "discover": 2}, Segments()).collect()
    found = {
        (row["placement"], row["segment"], row["system"], row["places"]): (
            row["targets"], row["n_users"], row["n_targets"], row["n_found"], row["n_alone"], row["n_reachable"],
            row["n_proposed"],
        )
        for row in rows
    }  # fmt: skip
    assert found["home", None, "source_own", 0] == ("all", 2, 4, 2, 2, 2, 2)
    assert found["home", None, "source_als", 0] == ("all", 2, 4, 1, 0, 1, 3)
    assert found["home", None, "candidates", 0] == ("all", 2, 4, 3, 0, 3, 5)
    assert found["home", None, "two_stage", 2] == ("all", 2, 4, 2, 0, 3, 2)
    assert found["home", "segment:uk", "candidates", 0] == ("all", 1, 3, 2, 0, 2, 3)
    assert found["home", "users:heavy", "candidates", 0] == ("all", 1, 1, 1, 0, 1, 2)
    assert found["discover", None, "source_own", 0] == ("new", 1, 2, 0, 0, 0, 0)
    assert found["discover", None, "two_stage", 2] == ("new", 1, 2, 1, 0, 1, 1)
    assert not any(segment == "segment:fr" for _, segment, _, _ in found)


def test_seconds_of_the_workers_reach_the_driver(spark: SparkSession) -> None:
    """Two tasks propose; what both took stands under the source's name once the rows were made."""
    costs = costs_of(spark)

    class Counting:  # local, so that it travels with the task
        def propose(self, block: Any, n: int) -> Proposals:
            del block
            sum(range(n))
            return nothing()

        def score(self, block: Any, rows: Any, items: Any) -> Any:
            del block, rows, items

    def work(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sources = metered({"busy": Counting()}, costs)
        for batch in batches:
            sources["busy"].propose(NO_BLOCK, 1_000_000)
            yield batch

    rows = spark.range(4, numPartitions=2).mapInArrow(work, "id long")
    assert cpu_seconds(costs) == {}
    assert rows.count() == 4
    assert set(cpu_seconds(costs)) == {"busy_cpu_seconds"}
    assert cpu_seconds(costs)["busy_cpu_seconds"] > 0.005
