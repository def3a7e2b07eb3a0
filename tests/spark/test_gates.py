from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import HeldByGate
from contracts.settings import Candidates, Evaluation, Gates, Placement, Settings
from jobs import storage
from jobs.evaluation import check_gates, choosing
from jobs.evaluation.gates import Gate
from jobs.evaluation.measure import ROW_DDL
from jobs.kernels.blocks import Kitchen
from jobs.paths import layout_of
from models import item_arrays
from models.contest import Contest

MANIFEST_SHA256 = "5" * 64
AS_OF = dt.date(2026, 3, 1)
CUT = dt.date(2026, 2, 2)
SOURCES = ("als", "popular")
PLACEMENTS = {"home": Placement(repeats=True, length=2), "discover": Placement(repeats=False, length=2)}
# Items 0 to 3 may be recommended, 4 not. User 1 bought 0, user 2 nothing that stands.
GOOD = [("home", 1, [0, 1]), ("home", 2, [2, 3]), ("discover", 1, [1, 2]), ("discover", 2, [0, 1])]
FALLBACKS = [("home", "all", [0, 1], [1.0, 0.5]), ("discover", "all", [0, 1], [1.0, 0.5])]


def _metric(placement: str, system: str, value: float, low: float, high: float) -> tuple[Any, ...]:
    return (CUT, "full_catalogue", placement, system, "ndcg_10", None, value, low, high, 100)


METRICS = [_metric(placement, "two_stage", 0.30, 0.28, 0.32) for placement in PLACEMENTS]


def _contest(gain: float, spread: float) -> Contest:
    """Forty users for whom the two-stage lists are `gain` over popularity, more for one half and less for the other."""
    values = np.full((40, 2), 0.3)
    values[:, 1] += gain + np.where(np.arange(40) % 2, spread, -spread)
    return Contest(("popular", "two_stage"), [(np.arange(40, dtype=np.int32), values)], resamples=200, seed=1)


class Night:
    """A night of two users whose tables are frames; a test replaces rows and asks for the verdict."""

    def __init__(self, spark: SparkSession, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spark, self.root = spark, root
        self.rows: dict[str, list[tuple[Any, ...]]] = {
            "top_n_lists": list(GOOD), "fallback_lists": list(FALLBACKS), "metrics": list(METRICS),
        }  # fmt: skip
        self.gains = dict.fromkeys(PLACEMENTS, (0.02, 0.005))
        self.users = [(1, "all"), (2, "all")]
        self.cuts = [dt.date(2026, 2, 1), dt.date(2026, 1, 4)]
        monkeypatch.setattr(storage, "read_as_of", self._read)
        monkeypatch.setattr(check_gates, "window_cuts", lambda *_: self.cuts)
        monkeypatch.setattr(check_gates, "catalogue_as_of", lambda *_: (None, self._frame_of_users()))
        self.holdout: list[Gate] = []
        monkeypatch.setattr(check_gates, "holdout_gates", lambda *_, **__: self.holdout)
        monkeypatch.setattr(check_gates, "time_gates", lambda *_: [])
        monkeypatch.setattr(check_gates, "kitchen_of", lambda *_: self._kitchen())
        (self.root / "staging" / AS_OF.isoformat()).mkdir(parents=True)
        self.systems = dict.fromkeys(PLACEMENTS, "two_stage")
        monkeypatch.setattr(check_gates, "read_manifest", lambda _: self._manifest())
        self.changes: dict[str, float] = {}
        monkeypatch.setattr(check_gates, "rows_of", lambda *_: self._changes())

    def check(self, **gates: Any) -> Any:
        """The report of the gates."""
        settings = Settings(
            root=str(self.root),
            candidates=Candidates(sources=SOURCES),
            placements=PLACEMENTS,
            evaluation=Evaluation(k=10),
            gates=Gates(**gates),
        )
        contests = {name: _contest(*numbers) for name, numbers in self.gains.items()}
        choosing.write(layout_of(settings), choosing.choose(contests, settings, as_of=AS_OF, n_windows=1))
        return check_gates.run(self.spark, settings, as_of=AS_OF)

    @property
    def verdict(self) -> dict[str, Any]:
        """The blessing, which names the staged manifest."""
        text = (self.root / "blessings" / "2026-03-01.json").read_text(encoding="utf-8")
        loaded: dict[str, Any] = json.loads(text)
        assert loaded["manifest_sha256"] == MANIFEST_SHA256
        return loaded

    def _read(self, _spark: SparkSession, _layout: object, table: tables.Table, as_of: dt.date) -> Any:
        assert as_of == AS_OF
        if table.name == "histories":
            rows = [(1, [0], [1], [1.0]), (2, [1], [1], [0.0])]
            ddl = "user_idx int, item_idx array<int>, baskets array<int>, quantities array<float>"
            return self.spark.createDataFrame(rows, ddl)
        ddl = {
            "top_n_lists": "placement string, user_idx int, item_idx array<int>",
            "fallback_lists": "placement string, segment string, item_idx array<int>, scores array<float>",
            "metrics": ROW_DDL,
        }[table.name]
        return self.spark.createDataFrame(self.rows[table.name], ddl)

    def _manifest(self) -> SimpleNamespace:
        staged = {name: SimpleNamespace(system=system) for name, system in self.systems.items()}
        return SimpleNamespace(sha256=MANIFEST_SHA256, snapshot_id="tonight", placements=staged)

    def _changes(self) -> list[dict[str, Any]]:
        about = {"channel": "stable", "before": "yesterday" if self.changes else "", "after": "tonight"}
        made = [{**about, "placement": p, "metric": "users_both", "value": None} for p in PLACEMENTS]
        return made + [{**about, "placement": "home", "metric": name, "value": x} for name, x in self.changes.items()]

    def _frame_of_users(self) -> Any:
        return self.spark.createDataFrame(self.users, "user_idx int, segment string")

    def _kitchen(self) -> Kitchen:
        folder = self.root / "item_arrays"
        n = 5
        columns: dict[str, list[Any]] = {name: [1.0] * n for name in item_arrays.NUMBERS}
        columns |= {name: [None] * n for name in item_arrays.CODES}
        columns |= {"item_idx": list(range(n)), "is_recommendable": [True] * 4 + [False], "title": [None] * n}
        item_arrays.save(folder, pa.table(columns), about={})
        return Kitchen((lambda: folder, lambda: folder, lambda: folder), Candidates(sources=SOURCES), AS_OF)


@pytest.fixture
def night(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """A good night."""
    return Night(spark, tmp_path, monkeypatch)


def test_a_good_night_is_green_twice(night: Night) -> None:
    """Every gate of both placements is green; a second run writes the same verdict."""
    report = night.check(min_ndcg={"home": 0.25})
    first = night.verdict
    assert first["verdict"] == "blessed"
    assert [(gate["name"], gate["placement"]) for gate in first["gates"]] == [
        ("coverage_users", "home"), ("full_lists", "home"), ("banned_items", "home"),
        ("coverage_users", "discover"), ("full_lists", "discover"), ("banned_items", "discover"),
        ("beats_best_source", "home"), ("beats_best_source", "discover"), ("min_ndcg_10", "home"),
        ("changes", "home"), ("changes", "discover"),
    ]  # fmt: skip
    assert report.rows == {"gates_green": 11}
    assert report.numbers["home_beats_best_source"] == pytest.approx(0.02)
    night.check(min_ndcg={"home": 0.25})
    assert night.verdict == first


@pytest.mark.parametrize(
    ("lists", "note"),
    [
        ([*GOOD[:3], ("discover", 2, [0, 4])], "0 unknown, 1 not_recommendable, 0 already_bought, 0 repeated"),
        ([*GOOD[:3], ("discover", 2, [5, 0])], "1 unknown, 0 not_recommendable, 0 already_bought, 0 repeated"),
        ([*GOOD[:2], ("discover", 1, [0, 2]), GOOD[3]], "0 unknown, 0 not_recommendable, 1 already_bought, 0 repeated"),
        ([*GOOD[:3], ("discover", 2, [0, 0])], "0 unknown, 0 not_recommendable, 0 already_bought, 1 repeated"),
    ],
)
def test_an_item_that_must_not_be_there_holds_the_night(night: Night, lists: list[tuple[Any, ...]], note: str) -> None:
    """The message names gate, value, limit and what is wrong; the verdict file is written."""
    night.rows["top_n_lists"] = lists
    with pytest.raises(HeldByGate) as held:
        night.check()
    assert held.value.what == (
        f"1 of 10 gates hold the night of 2026-03-01: banned_items of discover is 1, the limit is 0 ({note})."
    )
    assert held.value.exit_code == 3
    assert [gate["name"] for gate in night.verdict["gates"] if gate["level"] == "red"] == ["banned_items"]


def test_every_red_gate_is_named(night: Night) -> None:
    """A user whom nothing reaches, a short list, and a ranker behind a source, in one message."""
    night.users.append((3, "b"))
    night.rows["fallback_lists"] = [FALLBACKS[0], ("discover", "a", [0], [1.0])]
    night.rows["top_n_lists"] = [("home", 1, [0]), *GOOD[1:]]
    night.gains["discover"] = (-0.04, 0.01)
    with pytest.raises(HeldByGate) as held:
        night.check(unearned="hold")
    assert "coverage_users of discover is 0.666667, the limit is 1 (1 of 3 users" in held.value.what
    assert "full_lists of home is 0.5, the limit is 0.99 (1 of 2 lists)" in held.value.what
    assert "beats_best_source of discover is -0.04, the limit is 0 " in held.value.what
    assert "source popular" in held.value.what
    assert "coverage_users of home" not in held.value.what


@pytest.mark.parametrize("gain", [(-0.04, 0.01), (0.01, 0.1)])
def test_lists_that_do_not_beat_a_source_are_replaced_and_told(night: Night, gain: tuple[float, float]) -> None:
    """The source's lists are staged and chosen: yellow, and the report says whose they are; nothing is held."""
    night.gains["discover"] = gain
    night.systems["discover"] = "popular"
    report = night.check()
    assert report.rows["gates_yellow"] == 1
    (warning,) = report.details["warnings"]
    assert warning.startswith("beats_best_source of discover is ")
    assert "the lists of source popular are published" in warning
    assert night.verdict["verdict"] == "blessed"


def test_staged_lists_are_those_that_were_chosen(night: Night) -> None:
    """The holdout chose a source after the two-stage lists were staged: the night is held."""
    night.gains["discover"] = (-0.04, 0.01)
    with pytest.raises(HeldByGate, match="those of two_stage are staged, those of popular were chosen"):
        night.check()


def test_a_source_ahead_by_chance_does_not_hold_the_night(night: Night) -> None:
    """The difference is below zero, its interval is not; with `hold` the two-stage lists are published all the same."""
    night.gains["discover"] = (-0.01, 0.1)
    report = night.check(unearned="hold")
    assert report.numbers["discover_beats_best_source"] == pytest.approx(-0.01)
    assert "gates_yellow" not in report.rows


def test_what_was_not_measured_is_red(night: Night) -> None:
    """No metrics of a placement: neither its sources nor its floor can be passed."""
    night.rows["metrics"] = METRICS[:1]
    del night.gains["discover"]
    with pytest.raises(HeldByGate, match=r"min_ndcg_10 of discover is not measured, the limit is 0\.1") as held:
        night.check(min_ndcg={"discover": 0.1})
    assert "beats_best_source of discover is not measured" in held.value.what


def test_a_young_shop_has_nothing_held_out(night: Night) -> None:
    """With one past window the gates on lists alone decide, unless a floor was asked for."""
    night.cuts = night.cuts[:1]
    assert night.check().rows == {"gates_green": 8}
    with pytest.raises(HeldByGate, match="not measured"):
        night.check(min_ndcg={"home": 0.1})


USUAL_CHANGES = {
    "top5_changed": 0.5, "overlap_median": 0.8, "overlap_p10": 0.4, "fallback_growth": 0.0, "users_gone": 0.0,
    "items_moved": 0.1,
}  # fmt: skip


def test_a_yellow_gate_warns_and_blesses(night: Night) -> None:
    """Lists that are far from those served, and not too far: counted, told as a warning, blessed."""
    night.changes = {**USUAL_CHANGES, "overlap_median": 0.4}
    report = night.check()
    assert report.rows == {"gates_green": 14, "gates_yellow": 1}
    assert report.details["warnings"] == ["overlap_median of home is 0.4, warned of beyond 0.5 (against yesterday)"]
    assert night.verdict["verdict"] == "blessed"
    assert [g["name"] for g in night.verdict["gates"] if g["level"] == "yellow"] == ["overlap_median"]


def test_lists_of_the_wrong_users_hold_the_night(night: Night) -> None:
    """All lists are as good as ever, and no user's is like the one served: the overlap alone says held."""
    night.changes = {**USUAL_CHANGES, "top5_changed": 0.98, "overlap_median": 0.0, "overlap_p10": 0.0}
    with pytest.raises(HeldByGate, match=r"overlap_median of home is 0, the limit is 0\.3 \(against yesterday\)"):
        night.check()
    assert night.verdict["verdict"] == "held"


def test_what_the_holdout_measured_is_judged_too(night: Night) -> None:
    """A missed threshold warns, a gap holds."""
    night.holdout = [
        Gate(name="success_auc", placement="home", value=0.91, limit=None, warns_at=0.92, level="yellow", note="n"),
    ]
    assert night.check().details["warnings"] == ["success_auc of home is 0.91, warned of beyond 0.92 (n)"]
    night.holdout += [Gate(name="fairness_auc", placement="home", value=0.1, limit=0.02, level="red")]
    with pytest.raises(HeldByGate, match=r"fairness_auc of home is 0\.1, the limit is 0\.02"):
        night.check()
