from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from contracts.errors import SnapshotMissing
from contracts.settings import Settings
from export.comparing.result import Diff
from export.comparing.snapshots import Extent, compare
from export.stores.local import LocalStore
from export.stores.mapped import MappedReader
from jobs.commands.diff_screen import show_diff
from jobs.configuration import configured
from jobs.publishing import diff_snapshots
from tests.stores import nights
from tests.stores.conftest import ITEMS, build_snapshot
from tests.stores.tables import row

ROOT: Final = Path(__file__).parents[2]
WORDS: Final = [sys.executable, "-m", "jobs.cli"]
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if not name.startswith("LARDER_")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose first night is served and whose second one is published."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "larder.toml").write_text("[placements.home]\nrepeats = true\n")
    store = LocalStore(folder / "store")
    nights.run(store, nights.night(tmp_path, 1))
    nights.publish(store, nights.night(tmp_path, 2))
    return folder


@pytest.fixture
def settings(root: Path) -> Settings:
    """The settings of the root."""
    return configured({}, config=None, root=str(root))


def ids(settings: Settings, before: str | None = None, after: str | None = None) -> tuple[str, str]:
    """Which two snapshots are compared."""
    made = diff_snapshots.run(settings, before=before, after=after, extent=Extent())
    return made.before.snapshot, made.after.snapshot


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [*WORDS, "--root", str(root), *words], cwd=ROOT, env={**ENVIRONMENT, "COLUMNS": "120"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def everything(root: Path) -> dict[str, bytes]:
    """All files of a root."""
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_current_one_is_compared_with_the_newest(settings: Settings, root: Path, tmp_path: Path) -> None:
    """Without names: the one served against the published one of the latest date, or a later one that is staged.

    A folder whose name is no date, or that has no manifest yet, is none.
    """
    made = [nights.night(tmp_path, day) for day in (1, 2, 3, 4)]
    assert ids(settings) == (made[0].id, made[1].id)
    shutil.copytree(made[2].build, root / "staging" / "2026-01-03")
    shutil.copytree(made[3].build, root / "staging" / "put aside")
    (root / "staging" / "2026-01-04").mkdir()
    assert ids(settings) == (made[0].id, made[2].id)


def test_of_one_date_what_is_staged_goes_first(settings: Settings, root: Path, tmp_path: Path) -> None:
    """A night staged again after it was published is the one that would be flipped to."""
    staged = build_snapshot(root / "staging" / "2026-01-02", day=2)
    assert ids(settings) == (nights.night(tmp_path, 1).id, staged.snapshot_id)


def test_nothing_newer_is_an_error_and_no_older_night(settings: Settings, root: Path, tmp_path: Path) -> None:
    """A snapshot of an earlier date is never taken for the newest, and the current one not for what comes."""
    nights.flip(LocalStore(root / "store"), nights.night(tmp_path, 2))
    shutil.copytree(nights.night(tmp_path, 2).build, root / "staging" / "2026-01-02")
    with pytest.raises(SnapshotMissing, match="Nothing newer than the current snapshot 2026-01-02"):
        ids(settings)


def test_before_the_first_flip_both_are_to_be_named(tmp_path: Path) -> None:
    """Without a current snapshot there is nothing to compare with; two named ones can be compared."""
    made = [nights.night(tmp_path, 1), nights.night(tmp_path, 2)]
    settings = configured({}, config=None, root=str(tmp_path / "empty"))
    with pytest.raises(SnapshotMissing, match="No snapshot is served yet"):
        ids(settings)
    assert ids(settings, str(made[0].build), str(made[1].build)) == (made[0].id, made[1].id)


def test_a_name_is_an_id_a_date_or_a_directory(settings: Settings, root: Path, tmp_path: Path) -> None:
    """Each of the three is understood on either side; anything else is named in an error."""
    made = [nights.night(tmp_path, day) for day in (1, 2, 3)]
    shutil.copytree(made[2].build, root / "staging" / "2026-01-03")
    assert ids(settings, made[1].id, "2026-01-03") == (made[1].id, made[2].id)
    assert ids(settings, "2026-01-03", str(made[0].build)) == (made[2].id, made[0].id)
    with pytest.raises(SnapshotMissing, match="no snapshot '2026-01-09'"):
        ids(settings, "2026-01-09")


def test_the_verb_prints_one_object_and_writes_nothing(root: Path, tmp_path: Path) -> None:
    """With --json the numbers are one object; files of the root are the same bytes as before."""
    before = everything(root)
    ran = run(root, "--json", "diff", "-k", "3", "--most", "2", "--users", "100")
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["before"]["snapshot"] == nights.night(tmp_path, 1).id
    assert (found["k"], found["sampled"], found["n_looked_at"]) == (3, 1.0, 24)
    home = found["placements"]["home"]
    assert (home["top5_changed"], home["overlap_median"], home["fallback_after"]) == (1.0, 2 / 3, 0.04)
    assert [user["user_id"] for user in home["most_changed"]] == ["user-00", "user-01"]
    assert home["most_changed"][0]["before"][0] == {"item_id": "milk", "title": "Milk"}
    assert everything(root) == before


def test_the_verb_shows_a_table_and_names_what_is_wrong(root: Path) -> None:
    """A person reads both ids, the shares and the titles; a snapshot that is not there is exit code 1."""
    ran = run(root, "diff", "-k", "3")
    assert ran.returncode == 0, ran.stderr
    for text in ("2026-01-01-", "2026-01-02-", "median 66.7%, p10 66.7%, mean 66.7%", "4.00% -> 4.00%", "Bread"):
        assert text in ran.stdout
    ran = run(root, "diff", "nowhere")
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (1, "SnapshotMissing: There is no snapshot 'nowhere'")


def test_the_verb_starts_no_java_process(root: Path) -> None:
    """Neither Spark nor Dagster nor a model library is loaded."""
    code = (
        "import sys; sys.argv = ['larder', *sys.argv[1:]]\n"
        "from jobs.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "print(sorted({'pyspark', 'dagster', 'lightgbm', 'implicit', 'boto3'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "--root", str(root), "diff"]
    ran = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-2:] == ["0", "[]"]


def shown(found: Diff) -> str:
    """The screen as text."""
    console = Console(file=io.StringIO(), width=120, highlight=False)
    show_diff(console, found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_screen_shows_hostile_titles_as_they_are(tmp_path: Path) -> None:
    """Square brackets of a title, a category or a user are text, not colours; what is unknown is a dash."""
    titles = ["[red]Bread[/red]", "[/]", "Milk", "Jam", None]
    items = ITEMS.set_column(2, "title", [titles]).set_column(3, "category", [["[bold]", "a", "b", "c", None]])
    build_snapshot(tmp_path / "a", rows=[row("[u]", [3, 1])], items=items)
    build_snapshot(tmp_path / "b", rows=[row("[u]", [0, 5])], items=items, day=2)
    text = shown(compare(MappedReader(tmp_path / "a"), MappedReader(tmp_path / "b")))
    for part in ("[u]", "[red]Bread[/red]", "[/]", "[bold]", "-pear", "none", "-100.0", "+100.0"):
        assert part in text
    assert "median -, p10 -, mean -" in text
