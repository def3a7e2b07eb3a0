"""A night whose jobs are stand-ins: Dagster for real, no Java process."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import settings as contract
from contracts.report import JobReport
from contracts.settings import Settings

JOBS = (
    "ingest.ingest_events", "ingest.ingest_catalogue", "ingest.update_interactions", "ingest.flag_users",
    "training.build_features",
    "training.train_als", "training.train_neighbours", "ranking.generate_candidates", "training.train_ranker",
    "ranking.rank_candidates", "ranking.rerank_lists",
    "ranking.measure_rules", "publishing.stage_snapshot", "evaluation.evaluate_holdout",
    "evaluation.backtest_published",
    "publishing.measure_changes", "evaluation.check_gates", "publishing.publish_snapshot", "publishing.check_parity",
    "publishing.flip_pointer", "mailing.write_digest", "outcomes.log_slots",
    "outcomes.ingest_outcomes", "outcomes.report_outcomes", "reports.night_report",
)  # fmt: skip


class Kitchen:
    """The calls that stand-in jobs got, and what each of them does instead of reporting."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.behaviour: dict[str, Callable[[], None]] = {}

    @property
    def ran(self) -> list[str]:
        """Names of the jobs that ran, in order."""
        return [name for name, _ in self.calls]

    def stand_in(self, name: str) -> Callable[..., JobReport]:
        """A job that records its call and reports three rows."""

        def run(*args: Any, as_of: dt.date, **kwargs: Any) -> JobReport:
            label = f"{name}:{args[2].name}" if name == "validate_table" else name
            self.calls.append((label, {"as_of": as_of, **kwargs}))
            if label in self.behaviour:
                self.behaviour[label]()
            return JobReport(job=name, as_of=as_of, rows={"accepted": 3}, numbers={"share": 0.5}, seconds=0.1)

        return run


@pytest.fixture
def kitchen(monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    """Every job replaced by a stand-in, and no SparkSession."""
    from dagster_project.resources import SparkResource

    made = Kitchen()
    for name in (*JOBS, "ingest.validate_table"):
        monkeypatch.setattr(importlib.import_module(f"jobs.{name}"), "run", made.stand_in(name.rpartition(".")[2]))
    monkeypatch.setattr(SparkResource, "session", lambda _: None)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults with a root of their own."""
    return contract.load(None, {}, root=str(tmp_path))
