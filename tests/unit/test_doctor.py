from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from contracts.errors import EnvironmentUnfit
from contracts.settings import Gates, Settings, Spark
from jobs.machine import doctor, jars, java

NAMES = ("a.jar", "b.jar")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings on a machine where all is well: Java 17 and two right jars."""
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    monkeypatch.setattr(jars, "SHA256", {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES})
    give_java(tmp_path, monkeypatch, 'openjdk version "17.0.15" 2025-04-15')
    return Settings(root=str(tmp_path / "root"), spark=Spark(jars=str(folder)))


def give_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int = 0) -> Path:
    """A `java` that answers -version so, found through JAVA_HOME."""
    program = tmp_path / "java-home" / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java-home"))
    return program


def bad(settings: Settings) -> dict[str, doctor.Finding]:
    """The findings that are not ok, by check."""
    return {finding.check: finding for finding in doctor.examine(settings) if not finding.ok}


def test_all_well(settings: Settings) -> None:
    """On a fit machine every check is ok, in a fixed order, and none asks for anything."""
    findings = doctor.examine(settings)
    assert [(f.check, f.ok, f.todo) for f in findings] == [
        ("java", True, ""), ("jars", True, ""), ("disk", True, ""), ("settings", True, ""), ("store", True, ""),
    ]  # fmt: skip
    assert not Path(settings.root).exists()


def test_java_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a Java where JAVA_HOME points, only the Java check is red and names the program."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    assert bad(settings).keys() == {"java"}
    assert bad(settings)["java"].what == "Java does not run."
    assert bad(settings)["java"].where == f"{tmp_path}/none/bin/java"


@pytest.mark.parametrize(
    ("answer", "release"), [('openjdk version "11.0.2"', 11), ('java version "1.8.0_402"', 1), ('version "16"', 16)]
)
def test_java_too_old(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, release: int
) -> None:
    """A Java older than 17 is red, in its old and its new way of naming versions."""
    give_java(tmp_path, monkeypatch, answer)
    assert bad(settings)["java"].what == f"Java {release} is too old; Spark needs 17 or later."


@pytest.mark.parametrize(("answer", "release"), [('openjdk version "17"', 17), ('openjdk version "21.0.1"', 21)])
def test_java_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, release: int) -> None:
    """The major release is read from the version in quotes."""
    give_java(tmp_path, monkeypatch, answer)
    assert java.java_release() == release


def test_java_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Java that exits with an error does not count, whatever it prints."""
    give_java(tmp_path, monkeypatch, 'openjdk version "17"', code=1)
    with pytest.raises(EnvironmentUnfit, match="does not tell its version"):
        java.java_release()


def test_jar_missing(settings: Settings) -> None:
    """A missing jar is named, and `make setup` is the way to get it."""
    (Path(settings.spark.jars) / "b.jar").unlink()
    finding = bad(settings)["jars"]
    assert (finding.where, finding.todo) == (f"{settings.spark.jars}/b.jar", "Run `make setup`.")


def test_jar_truncated(settings: Settings) -> None:
    """A jar with other bytes than the release's is red although the file is there."""
    (Path(settings.spark.jars) / "a.jar").write_bytes(b"a.ja")
    assert bad(settings)["jars"].what.startswith("The Delta jar a.jar is not the released one")


def test_jar_paths_in_class_path_order(settings: Settings) -> None:
    """The paths are absolute and in the order in which the jars are declared."""
    assert jars.jar_paths(settings.spark.jars) == [f"{settings.spark.jars}/a.jar", f"{settings.spark.jars}/b.jar"]


def test_right_jars_are_not_fetched_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both jars in place nothing is resolved, so a second set-up needs no network."""

    def refuse(_: Path) -> None:
        raise AssertionError

    monkeypatch.setattr(jars, "_resolve", refuse)
    assert jars.fetch(settings.spark.jars) == jars.jar_paths(settings.spark.jars)


def test_fetch_refuses_other_bytes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download with other bytes is refused, and nothing of it is left among the jars."""
    folder = Path(settings.spark.jars)
    for path in folder.iterdir():
        path.unlink()

    def deliver(work: Path) -> None:
        (work / "ivy" / "jars").mkdir(parents=True)
        for name in NAMES:
            (work / "ivy" / "jars" / name).write_bytes(b"something else")

    monkeypatch.setattr(jars, "_resolve", deliver)
    with pytest.raises(EnvironmentUnfit, match=r"a\.jar is not the released one"):
        jars.fetch(str(folder))
    assert list(folder.iterdir()) == []


def test_disk_nearly_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less space than a night needs the disk check is red and says both numbers."""
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**60)
    assert bad(settings)["disk"].what.endswith("are free; a night needs 1073741824.0 GiB.")


def test_root_below_a_file(settings: Settings, tmp_path: Path) -> None:
    """A root below something that is no folder is red, and that thing is named."""
    (tmp_path / "file").touch(mode=0o755)
    wrong = Settings(root=str(tmp_path / "file" / "root"), spark=settings.spark)
    assert bad(wrong)["disk"].where == str(tmp_path / "file")


def test_gate_for_unknown_placement(settings: Settings) -> None:
    """A limit for a placement that does not exist would never hold a night, so it is red."""
    wrong = Settings(root=settings.root, spark=settings.spark, gates=Gates(min_ndcg={"hom": 0.3}))
    assert bad(wrong)["settings"].what == "gates.min_ndcg names placements that do not exist: hom."


def test_no_placement(settings: Settings) -> None:
    """Settings without a placement are red: the night would make no list."""
    wrong = Settings(root=settings.root, spark=settings.spark, placements={})
    assert bad(wrong)["settings"].where == "placements"


def test_store_with_unreadable_pointer(settings: Settings) -> None:
    """A pointer that is no JSON makes the store red and is named."""
    pointer = Path(settings.root) / "store" / "pointer.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("{", encoding="utf-8")
    assert bad(settings)["store"].where == str(pointer)


def test_store_whose_snapshot_is_gone(settings: Settings) -> None:
    """A pointer to a snapshot that is not there makes the store red."""
    pointer = Path(settings.root) / "store" / "pointer.json"
    pointer.parent.mkdir(parents=True)
    last = '{"sequence":1,"kind":"flip","at":"2026-11-24T00:00:00Z","reason":"","snapshot":"s1","by":"night"}'
    pointer.write_text(f'{{"snapshot":"s1","last":{last}}}', encoding="utf-8")
    assert bad(settings)["store"].what == "Snapshot 's1' is not in the store"
