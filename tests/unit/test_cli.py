from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs import cli
from jobs.commands import invocation

ROOT = Path(__file__).parents[2]
VERBS = (
    "night", "ingest", "interactions", "features", "train-als", "train-neighbours", "candidates", "train-ranker",
    "rank", "rerank", "evaluate", "gates", "publish", "flip", "lookup", "lists", "digest", "backtest", "import",
    "make-shop", "status", "rollback", "release", "doctor", "demo", "serve", "overlay", "rollout", "diff", "changes",
    "parity", "rules", "objectives",
)  # fmt: skip


def larder(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LARDER_")}
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        cwd=cwd or ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def imported_by(*arguments: str) -> set[str]:
    """Top-level modules that a call of the command imports."""
    code = (
        "import sys; sys.argv = ['larder', *sys.argv[1:]]\n"
        "from jobs.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\n' + ' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def test_help_names_every_verb() -> None:
    """Each verb stands in the help, and each has a help of its own that shows the global options."""
    runner = CliRunner()
    listed = runner.invoke(cli.app, ["--help"], env={"COLUMNS": "160"}).stdout
    for verb in VERBS:
        assert f" {verb} " in listed
        own = runner.invoke(cli.app, [verb, "--help"], env={"COLUMNS": "160"})
        assert own.exit_code == 0
        assert all(option in own.stdout for option in ("--config", "--root", "--json", "--verbose"))


def test_help_imports_nothing_heavy() -> None:
    """The help is printed without Spark, Dagster, Arrow, NumPy or a model library."""
    heavy = {"pyspark", "dagster", "pyarrow", "numpy", "pandas", "lightgbm", "implicit", "great_expectations", "boto3"}
    assert not heavy & imported_by("--help")


def test_lookup_imports_neither_spark_nor_a_model(tmp_path: Path) -> None:
    """A lookup loads no Spark, no Dagster and no model library."""
    heavy = {"pyspark", "dagster", "lightgbm", "implicit", "great_expectations", "scipy"}
    assert not heavy & imported_by("--root", str(tmp_path), "lookup", "u1")


def test_help_starts_fast() -> None:
    """The best of five starts spends less than half a second of processor time."""
    spent = []
    for _ in range(5):
        before = os.times()
        larder("--help")
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 0.5


@pytest.mark.parametrize("arguments", [["--json", "--root", "{root}", "status"], ["status", "--root={root}", "--json"]])
def test_global_options_stand_before_or_after_the_verb(tmp_path: Path, arguments: list[str]) -> None:
    """Before or after the verb they mean the same, and stdout is one JSON object."""
    ran = larder(*[a.format(root=tmp_path) for a in arguments])
    facts = json.loads(ran.stdout)
    assert (ran.returncode, facts["root"], facts["snapshot"]) == (0, str(tmp_path), None)
    assert {h["name"] for h in facts["holdings"]} >= {"events", "top_n_lists", "ranker"}


def test_an_error_is_told_in_three_lines(tmp_path: Path) -> None:
    """A LarderError is what, where and to do on stderr, without a traceback, and stdout is empty; exit code 1."""
    ran = larder("lookup", "u1", "--root", str(tmp_path))
    assert (ran.returncode, ran.stdout) == (1, "")
    first, where, todo = ran.stderr.splitlines()
    assert first.startswith("SnapshotMissing: ")
    assert where == f"  where: {tmp_path}/store"
    assert todo.startswith("  to do: ")


def test_an_error_with_json_is_one_object(tmp_path: Path) -> None:
    """With --json the error is one object on stdout that says its exit code."""
    ran = larder("lookup", "u1", "--json", "--root", str(tmp_path))
    facts = json.loads(ran.stdout)
    assert ran.returncode == facts["exit_code"] == 1
    assert set(facts) == {"error", "what", "where", "todo", "exit_code"}
    assert facts["error"] == "SnapshotMissing"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nigth"], "nigth"),
        (["night", "--as-of", "2024-02-30"], "2024-02-30"),
        (["lookup"], "USER"),
        (["status", "--unknown"], "--unknown"),
        (["backtest", "--cut", "2024-03-01", "--days", "0"], "--days"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], said: str) -> None:
    """Wrong usage is exit code 2 and says what is wrong, as text or as one JSON object."""
    text = larder(*arguments)
    assert (text.returncode, text.stdout) == (2, "")
    assert said in text.stderr
    told = larder(*arguments, "--json")
    facts = json.loads(told.stdout)
    assert told.returncode == facts["exit_code"] == 2
    assert said in facts["what"]


def test_wrong_settings_exit_with_2(tmp_path: Path) -> None:
    """An unknown key in the settings file is exit code 2 and names the key."""
    config = tmp_path / "larder.toml"
    config.write_text("[ranker]\nwindwos = 2\n")
    ran = larder("--config", str(config), "status")
    assert ran.returncode == 2
    assert "windwos" in ran.stderr


def test_a_day_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    """A future date is a named error with exit code 1; so is today."""
    for day in ("2999-01-01", time.strftime("%Y-%m-%d", time.gmtime())):
        ran = larder("night", "--as-of", day, "--root", str(tmp_path), "--json")
        facts = json.loads(ran.stdout)
        assert (ran.returncode, facts["error"], facts["where"]) == (1, "InputInvalid", "--as-of")
        assert day in facts["what"]


def test_a_night_without_landing_names_the_folder(tmp_path: Path) -> None:
    """Without landed events the night fails before Spark starts, and names the folder it looked for."""
    started = time.perf_counter()
    ran = larder("night", "--as-of", "2024-03-01", "--root", str(tmp_path), "--json")
    facts = json.loads(ran.stdout)
    assert (ran.returncode, facts["error"]) == (1, "InputMissing")
    assert facts["where"] == f"{tmp_path}/landing/events/date=2024-03-01"
    assert time.perf_counter() - started < 30


def test_stale_lists_exit_with_3_only_when_asked(tmp_path: Path) -> None:
    """Nothing served is exit code 3 with --fail-if-stale, and 0 without."""
    assert larder("status", "--root", str(tmp_path), "--fail-if-stale").returncode == 3
    assert larder("status", "--root", str(tmp_path)).returncode == 0


def test_an_unnamed_failure_has_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any other exception is three lines and exit code 1; --verbose adds the traceback."""

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("odd shape\nsecond line")

    monkeypatch.setattr("jobs.status.status", broken)
    runner = CliRunner()
    ran = runner.invoke(cli.app, ["status", "--root", str(tmp_path)])
    assert ran.exit_code == 1
    assert ran.stderr.startswith("LarderError: ValueError: odd shape\n  where: ")
    assert "Traceback" not in ran.stderr
    assert "Traceback" in runner.invoke(cli.app, ["status", "--root", str(tmp_path), "--verbose"]).stderr


def test_libraries_cannot_spoil_the_answer() -> None:
    """What C code and child processes print on stdout while a verb works goes to stderr."""
    code = (
        "import os\n"
        "from jobs.commands.invocation import Answer, Invocation\n"
        "def body():\n"
        "    print('by python'); os.write(1, b'by c\\n'); os.system('echo by a child'); return Answer({'n': 1})\n"
        "Invocation(as_json=True).run(body)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == '{"n": 1}\n'
    assert sorted(ran.stderr.split("\n")) == ["", "by a child", "by c", "by python"]


def test_the_settings_file_of_the_root_is_found(tmp_path: Path) -> None:
    """Without --config the larder.toml of the root counts, LARDER_CONFIG before it, and --config before both."""
    files = {}
    for name in ("root", "variable", "option"):
        files[name] = tmp_path / name / "larder.toml"
        files[name].parent.mkdir()
        files[name].write_text(f'[shop]\nname = "{name}"\n')
    root = str(tmp_path / "root")
    variable = {"LARDER_CONFIG": str(files["variable"])}
    found = [
        invocation.Invocation(root=root, environment={}),
        invocation.Invocation(root=root, environment=variable),
        invocation.Invocation(root=root, environment=variable, config=files["option"]),
    ]
    assert [one.settings().shop.name for one in found] == ["root", "variable", "option"]
    assert {one.settings().root for one in found} == {root}
