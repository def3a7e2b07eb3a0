"""Which stages there are and which share a process."""

from __future__ import annotations

from typing import Final

from benchmarks.results import Result
from benchmarks.sizes import Sizes

SNAPSHOTS: Final = ("snapshot_build", "snapshot_build_rate")
PAYLOADS: Final = ("payload_bytes", "payload_bytes_json")
LOOKUPS: Final = ("lookup_p50", "lookup_p99_ms")
# Stages of one group share a process, and with it a Java process and its options.
GROUPS: Final = (
    ("rank",),
    SNAPSHOTS,
    PAYLOADS,
    LOOKUPS,
    ("http_p99_ms",),
    ("dynamodb_cpu",),
    ("gx_share",),
    ("als_fit", "candidates"),
)
STAGES: Final = tuple(stage for group in GROUPS for stage in group)


def measure(stages: tuple[str, ...], sizes: Sizes) -> list[Result]:
    """The results of stages of one group, measured in this process."""
    if "rank" in stages:
        from benchmarks import ranking

        return [ranking.run(sizes)]
    if "dynamodb_cpu" in stages:
        from benchmarks import dynamodb

        return [dynamodb.run(sizes)]
    if "gx_share" in stages:
        from benchmarks import validation

        return [validation.run(sizes)]
    if "http_p99_ms" in stages:
        from benchmarks import web

        return [web.run(sizes)]
    if set(stages) & {*SNAPSHOTS, *PAYLOADS, *LOOKUPS}:
        return _of_store(stages, sizes)
    from benchmarks import factorization

    return factorization.run(sizes, stages)


def _of_store(stages: tuple[str, ...], sizes: Sizes) -> list[Result]:
    if set(stages) & set(SNAPSHOTS):
        from benchmarks import snapshots

        return snapshots.run(sizes, stages)
    if set(stages) & set(PAYLOADS):
        from benchmarks import payload

        return payload.run(sizes, stages)
    from benchmarks import lookup

    return lookup.run(sizes, stages)
