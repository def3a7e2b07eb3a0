"""Numbers of one server, as Prometheus reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from export.lookup import Lists, TopN
from export.reading.answers import age_hours

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
KINDS: Final = frozenset({"personal", "segment", "popular", "last_good"})


class Metrics:
    """Latency, sources of the answers, age of what is served, and what went wrong."""

    def __init__(self, lists: Lists, now: Callable[[], dt.datetime]) -> None:
        """Numbers of `lists`, whose age is taken at `now()`."""
        self._registry: Final = CollectorRegistry()
        self._seconds: Final = Histogram(
            "larder_request_seconds", "Seconds to answer a request", ("route", "status"), buckets=BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._answers: Final = Counter(
            "larder_answers", "Lists answered", ("placement", "source", "channel"), registry=self._registry
        )
        self._registry.register(_Reading(lists, now))

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._seconds.labels(route, str(status)).observe(seconds)

    def answered(self, made: Iterable[TopN]) -> None:
        """These lists were answered."""
        for one in made:
            self._answers.labels(one.placement, one.source, one.channel).inc()

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self._registry)


class _Reading(Collector):
    """What the reader counts itself."""

    def __init__(self, lists: Lists, now: Callable[[], dt.datetime]) -> None:
        self._lists, self._now = lists, now

    def collect(self) -> Iterator[Metric]:
        """Ages, the breaker and the alarms of now; an age is absent while nothing is open."""
        events = CounterMetricFamily("larder_reader_events", "What the reader met", labels=["event"])
        for name, n in sorted(self._lists.counts.items()):
            if name not in KINDS:
                events.add_metric([name], n)
        yield events
        yield GaugeMetricFamily("larder_store_away", "1 while the store is not asked", value=self._lists.is_store_away)
        snapshot = self._lists.seen
        if snapshot is not None:
            hours = age_hours(snapshot.manifest.as_of, self._now())
            age = GaugeMetricFamily(
                "larder_snapshot_age_seconds", "Since the end of the day the lists are as of", labels=["snapshot"]
            )
            age.add_metric([snapshot.id], hours * 3600)
            yield age
        overlay = self._lists.overlay
        if overlay is not None:
            made = dt.datetime.fromisoformat(overlay.at)
            since = GaugeMetricFamily("larder_overlay_age_seconds", "Since the overlay was made", labels=["overlay"])
            since.add_metric([overlay.id], (self._now() - made).total_seconds())
            yield since
