from __future__ import annotations

import datetime as dt
import fcntl
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import HeldByGate, InputMissing, TableInvalid
from contracts.settings import Settings
from dagster_project.night import NightCrashed, StepOutcome, run_night

DAY = dt.date(2024, 3, 1)
ORDER = [
    "ingest_events", "validate_table:events", "ingest_catalogue", "validate_table:items", "update_interactions",
    "flag_users",
    "build_features", "train_als", "train_neighbours", "generate_candidates", "train_ranker", "rank_candidates",
    "rerank_lists", "validate_table:top_n_lists", "stage_snapshot", "evaluate_holdout", "backtest_published",
    "measure_changes", "measure_rules",
    "check_gates", "log_slots", "publish_snapshot", "check_parity", "flip_pointer", "write_digest",
    "ingest_outcomes", "report_outcomes", "night_report",
]  # fmt: skip


def night(settings: Settings, *, first: dt.date | None = None) -> tuple[list[StepOutcome], list[StepOutcome]]:
    """What `on_step` was told, and what the night returned."""
    told: list[StepOutcome] = []
    return told, run_night(settings, as_of=DAY, first=first, on_step=told.append)


def test_a_night_runs_every_job_once(kitchen: Any, settings: Settings) -> None:
    """Each job runs once, as of the night's day, and nothing runs before what it reads."""
    night(settings)
    assert sorted(kitchen.ran) == sorted(ORDER)
    assert {call["as_of"] for _, call in kitchen.calls} == {DAY}
    position = {name: n for n, name in enumerate(kitchen.ran)}
    for earlier, later in (
        ("validate_table:events", "update_interactions"),
        ("validate_table:items", "build_features"),
        ("build_features", "train_als"),
        ("train_ranker", "rank_candidates"),
        ("evaluate_holdout", "rerank_lists"),
        ("validate_table:top_n_lists", "check_gates"),
        ("stage_snapshot", "check_gates"),
        ("stage_snapshot", "measure_changes"),
        ("measure_changes", "check_gates"),
        ("check_gates", "publish_snapshot"),
        ("log_slots", "publish_snapshot"),
        ("log_slots", "ingest_outcomes"),
        ("ingest_outcomes", "report_outcomes"),
        ("publish_snapshot", "check_parity"),
        ("check_parity", "flip_pointer"),
        ("flip_pointer", "write_digest"),
        ("write_digest", "night_report"),
        ("report_outcomes", "night_report"),
    ):
        assert position[earlier] < position[later]


def test_a_range_is_ingested_in_one_run(kitchen: Any, settings: Settings) -> None:
    """With a first day the ingest gets the whole range, its check too, and every other job the last day only."""
    first = dt.date(2022, 1, 1)
    night(settings, first=first)
    given = {name: call.get("first") for name, call in kitchen.calls}
    ranged = {"ingest_events", "update_interactions", "validate_table:events", "ingest_outcomes"}
    assert {name for name, value in given.items() if value == first} == ranged
    assert kitchen.ran.count("ingest_events") == 1


def test_steps_are_told_as_they_start_and_end(kitchen: Any, settings: Settings) -> None:
    """Every step is told twice, running then done with its job's report, numbered from 1 of all."""
    told, returned = night(settings)
    assert [o.state for o in told] == ["running", "done"] * len(ORDER)
    assert [o.position for o in returned] == list(range(1, len(ORDER) + 1))
    assert {o.total for o in told} == {len(ORDER)}
    assert all(o.report is not None and o.report.rows == {"accepted": 3} for o in returned)


@pytest.mark.parametrize(
    ("failing", "error", "never"),
    [
        ("ingest_events", InputMissing, ["update_interactions", "check_gates", "flip_pointer"]),
        ("validate_table:events", TableInvalid, ["update_interactions", "rerank_lists", "flip_pointer"]),
        ("validate_table:top_n_lists", TableInvalid, ["check_gates", "publish_snapshot", "flip_pointer"]),
        ("check_parity", HeldByGate, ["flip_pointer", "write_digest"]),
        ("check_gates", HeldByGate, ["publish_snapshot", "flip_pointer", "write_digest"]),
    ],
)
def test_a_red_step_stops_what_is_downstream(
    kitchen: Any, settings: Settings, failing: str, error: type[InputMissing], never: list[str]
) -> None:
    """The error comes out as it was raised, is not retried, and no job downstream of it runs."""
    raised = error("It is red.", where="a place", todo="Mend it.")

    def fail() -> None:
        raise raised

    kitchen.behaviour[failing] = fail
    with pytest.raises(error) as caught:
        night(settings)
    assert caught.value.as_dict() == raised.as_dict()
    assert kitchen.ran.count(failing) == 1
    assert not set(never) & set(kitchen.ran)


@pytest.mark.parametrize("failing", ["check_gates", "check_parity", "flip_pointer"])
def test_a_held_night_has_its_report(kitchen: Any, settings: Settings, failing: str) -> None:
    """A step that fails has the page written once, with the step and its error; the asset at the end does not run."""

    def fail() -> None:
        raise HeldByGate("3 of 40 gates hold.", where="a place", todo="Mend it.")

    kitchen.behaviour[failing] = fail
    with pytest.raises(HeldByGate):
        night(settings)
    step = {"check_gates": "blessing", "check_parity": "parity", "flip_pointer": "pointer"}[failing]
    told = [call for name, call in kitchen.calls if name == "night_report"]
    assert told == [{"as_of": DAY, "failure": f"The step {step} failed: HeldByGate: 3 of 40 gates hold."}]


def test_no_erasure_runs_while_a_step_does(kitchen: Any, settings: Settings, tmp_path: Path) -> None:
    """Each step holds the lock that an erasure asks for, a check does too; after the night nobody does."""
    free: list[bool] = []

    def look() -> None:
        with (tmp_path / ".working").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free.append(False)
            else:
                free.append(True)

    for job in ORDER:
        kitchen.behaviour[job] = look
    night(settings)
    look()
    assert free == [False] * len(ORDER) + [True]


def test_a_report_that_fails_is_no_second_page(kitchen: Any, settings: Settings) -> None:
    """Where the page itself cannot be written it is tried once, and the night says so."""

    def fail() -> None:
        raise InputMissing("No table.", where="a place", todo="Mend it.")

    kitchen.behaviour["night_report"] = fail
    with pytest.raises(InputMissing, match="No table"):
        night(settings)
    assert kitchen.ran.count("night_report") == 1
    assert "flip_pointer" in kitchen.ran


def test_a_night_of_which_nothing_is_known_has_no_report(kitchen: Any, settings: Settings) -> None:
    """The error of the step comes out, whatever the page says."""

    def fail() -> None:
        raise TableInvalid("It is red.", where="a place", todo="Mend it.")

    def refuse() -> None:
        raise InputMissing("Nothing was measured.", where="a place", todo="Run it.")

    kitchen.behaviour |= {"validate_table:events": fail, "night_report": refuse}
    with pytest.raises(TableInvalid, match="It is red"):
        night(settings)


def test_a_crash_is_retried(kitchen: Any, settings: Settings) -> None:
    """An exception that no error of ours names is tried again, and the night goes on when that succeeds."""
    tries: list[int] = []

    def crash_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("the Java process is gone")

    kitchen.behaviour["train_als"] = crash_once
    told, returned = night(settings)
    assert len(tries) == 2
    assert "retrying" in [o.state for o in told if o.step == "als"]
    assert returned[-1].state == "done"


def test_a_lasting_crash_is_named(kitchen: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the retries a crash is an error that names the step and the cause."""

    def crash() -> None:
        raise ConnectionError("the Java process is gone")

    kitchen.behaviour["train_als"] = crash
    with pytest.raises(NightCrashed, match=r"als failed: .*the Java process is gone"):
        night(settings)
    assert kitchen.ran.count("train_als") == 3
    assert "generate_candidates" not in kitchen.ran


def test_a_full_disk_is_not_retried(kitchen: Any, settings: Settings) -> None:
    """A full disk is named as such at the first try."""

    def fill() -> None:
        raise OSError(28, "No space left on device", "/data/lake")

    kitchen.behaviour["build_features"] = fill
    with pytest.raises(Exception, match="The disk is full"):
        night(settings)
    assert kitchen.ran.count("build_features") == 1


def test_a_wrong_outcomes_feed_keeps_no_list_back(kitchen: Any, settings: Settings) -> None:
    """The night tells of it by name, and the lists are published and flipped all the same."""

    def refuse() -> None:
        raise InputMissing("Column mood is not one of the feed.", where="landing/outcomes", todo="Land it again.")

    kitchen.behaviour["ingest_outcomes"] = refuse
    with pytest.raises(InputMissing, match="mood"):
        night(settings)
    assert {"flip_pointer", "write_digest"} <= set(kitchen.ran)
    assert "report_outcomes" not in kitchen.ran
