"""What each source costs, measured in the workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark import Accumulator, AccumulatorParam
from pyspark.sql import SparkSession

from models.ragged import Float32, Int32, Int64
from models.sources.base import Proposals, Scorer, Source
from models.user_block import UserBlock


class Costs(AccumulatorParam[dict[str, float]]):
    """Processor seconds by source, added up over the tasks."""

    def zero(self, value: dict[str, float]) -> dict[str, float]:
        """No seconds yet."""
        del value
        return {}

    def addInPlace(self, value1: dict[str, float], value2: dict[str, float]) -> dict[str, float]:  # noqa: N802  Spark's
        """The sum."""
        return {name: value1.get(name, 0.0) + value2.get(name, 0.0) for name in {*value1, *value2}}


def costs_of(spark: SparkSession) -> Accumulator[dict[str, float]]:
    """Where the seconds of the sources add up, empty."""
    return spark.sparkContext.accumulator({}, Costs())


def cpu_seconds(costs: Accumulator[dict[str, float]]) -> dict[str, float]:
    """What has added up so far, as `als_cpu_seconds`."""
    return {f"{name}_cpu_seconds": seconds for name, seconds in sorted(costs.value.items())}


class MeteredScorer:
    """A scorer that tells the processor time of its work."""

    def __init__(self, scorer: Scorer, add: Callable[[float], None]) -> None:
        """`add` gets the seconds of each call."""
        self._scorer = scorer
        self._add = add

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """What the scorer scores."""
        with self._metered():
            return self._scorer.score(block, rows, items)

    @contextmanager
    def _metered(self) -> Iterator[None]:
        started = time.process_time()
        try:
            yield
        finally:
            self._add(time.process_time() - started)


class Metered(MeteredScorer):
    """A source that tells the processor time of its work."""

    def __init__(self, source: Source, add: Callable[[float], None]) -> None:
        """`add` gets the seconds of each call."""
        super().__init__(source, add)
        self._source = source

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """What the source proposes."""
        with self._metered():
            return self._source.propose(block, n)


def metered(sources: dict[str, Source], costs: Accumulator[dict[str, float]]) -> dict[str, Source]:
    """The sources, whose seconds add up in `costs`."""
    return {name: Metered(source, _adder(name, costs)) for name, source in sources.items()}


def metered_scorers(scorers: dict[str, Scorer], costs: Accumulator[dict[str, float]]) -> dict[str, Scorer]:
    """The scorers, whose seconds add up in `costs`."""
    return {name: MeteredScorer(scorer, _adder(name, costs)) for name, scorer in scorers.items()}


def _adder(name: str, costs: Accumulator[dict[str, float]]) -> Callable[[float], None]:
    return lambda seconds: costs.add({name: seconds})
