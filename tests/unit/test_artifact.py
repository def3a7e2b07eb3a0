from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.errors import ArtifactCorrupt
from models import artifact


def save(folder: Path, value: float = 1.0) -> str:
    """A small artifact."""
    return artifact.save(
        folder, arrays={"a": np.full(2, value)}, texts={"b.txt": "text\n"}, about={"as_of": "2026-03-01"}
    )


def test_equal_contents_have_equal_names(tmp_path: Path) -> None:
    """The SHA-256 depends on bytes and facts, not on the folder."""
    assert save(tmp_path / "one") == save(tmp_path / "two")
    assert save(tmp_path / "one") != save(tmp_path / "two", 2.0)


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    """Arrays come as read-only maps, texts as they were, facts from the manifest."""
    name = save(tmp_path / "one")
    assert artifact.verify(tmp_path / "one") == name
    assert artifact.array(tmp_path / "one", "a").tolist() == [1, 1]
    assert not artifact.array(tmp_path / "one", "a").flags.writeable
    assert artifact.text(tmp_path / "one", "b.txt") == "text\n"
    assert artifact.about(tmp_path / "one") == {"as_of": "2026-03-01"}


@pytest.mark.parametrize("file", ["a.npy", "b.txt"])
def test_any_flipped_byte_is_found(tmp_path: Path, file: str) -> None:
    """Whichever byte of a file differs, the error names the file."""
    folder = tmp_path / "one"
    save(folder)
    whole = (folder / file).read_bytes()
    for position in range(len(whole)):
        (folder / file).write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(ArtifactCorrupt, match=file):
            artifact.verify(folder)
    (folder / file).write_bytes(whole)
    artifact.verify(folder)


def test_a_manifest_that_differs_is_another_artifact(tmp_path: Path) -> None:
    """Whichever byte of the manifest differs, it is unreadable or the artifact has another name."""
    folder = tmp_path / "one"
    name = save(folder)
    whole = (folder / artifact.MANIFEST).read_bytes()
    for position in range(len(whole)):
        changed = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        (folder / artifact.MANIFEST).write_bytes(changed)
        try:
            found = artifact.verify(folder)
        except ArtifactCorrupt:
            continue
        assert found != name


@pytest.mark.parametrize("file", ["a.npy", "b.txt", artifact.MANIFEST])
def test_a_missing_file_is_found(tmp_path: Path, file: str) -> None:
    """An absent file is named."""
    save(tmp_path / "one")
    (tmp_path / "one" / file).unlink()
    with pytest.raises(ArtifactCorrupt, match=file):
        artifact.verify(tmp_path / "one")


def test_a_write_that_fails_leaves_the_older_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up while the files are written: the artifact of before is whole, and the next write succeeds."""
    name = save(tmp_path / "one")

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(np, "save", full)
        with pytest.raises(OSError, match="No space"):
            save(tmp_path / "one", 2.0)
    assert artifact.verify(tmp_path / "one") == name
    later = save(tmp_path / "one", 2.0)
    assert artifact.verify(tmp_path / "one") == later
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
