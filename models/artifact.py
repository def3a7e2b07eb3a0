"""Artifacts: a folder of arrays and files with a manifest of their checksums, written last and as a whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from contracts.errors import ArtifactCorrupt

MANIFEST: Final = "manifest.json"


def save(
    folder: Path, *, arrays: Mapping[str, np.ndarray[Any, Any]], texts: Mapping[str, str], about: Mapping[str, Any]
) -> str:
    """Writes an artifact in place of an earlier one; returns its SHA-256, the hash of its manifest.

    Args:
        folder: where it goes; its parent is made.
        arrays: saved as `<name>.npy`, readable as memory maps.
        texts: saved as UTF-8 files of exactly that name.
        about: JSON facts for the manifest; equal facts and bytes give an equal hash.
    """
    staging = folder.with_name(f".{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name, array in sorted(arrays.items()):
        np.save(staging / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    for name, text in sorted(texts.items()):
        (staging / name).write_text(text, encoding="utf-8", newline="\n")
    files = {path.name: _sha256(path) for path in sorted(staging.iterdir())}
    manifest = json.dumps({"about": dict(about), "files": files}, sort_keys=True, indent=1)
    (staging / MANIFEST).write_text(manifest, encoding="utf-8")
    if folder.exists():
        retired = folder.with_name(f".{folder.name}.retired")
        shutil.rmtree(retired, ignore_errors=True)
        folder.replace(retired)
        staging.replace(folder)
        shutil.rmtree(retired)
    else:
        staging.replace(folder)
    return hashlib.sha256(manifest.encode()).hexdigest()


def about(folder: Path) -> dict[str, Any]:
    """The facts of an artifact's manifest.

    Raises:
        ArtifactCorrupt: there is no readable manifest.
    """
    facts: dict[str, Any] = _manifest(folder)["about"]
    return facts


def verify(folder: Path) -> str:
    """Checks every file against the manifest; returns the artifact's SHA-256.

    Raises:
        ArtifactCorrupt: naming the file that is absent or differs.
    """
    for name, expected in _manifest(folder)["files"].items():
        path = folder / name
        if not path.is_file() or _sha256(path) != expected:
            raise _corrupt(path, "is absent or not the file its manifest names")
    return _sha256(folder / MANIFEST)


def sha256(folder: Path) -> str:
    """The artifact's SHA-256, the hash of its manifest; its files are not read.

    Raises:
        ArtifactCorrupt: there is no readable manifest.
    """
    _manifest(folder)
    return _sha256(folder / MANIFEST)


def array(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """One array of an artifact, memory-mapped and read-only."""
    path = folder / f"{name}.npy"
    try:
        mapped: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _corrupt(path, f"cannot be read ({error})") from error
    return mapped


def text(folder: Path, name: str) -> str:
    """One text of an artifact, checked against the manifest first.

    Raises:
        ArtifactCorrupt: it is absent or differs.
    """
    path = folder / name
    expected = _manifest(folder)["files"].get(name)
    if expected is None or not path.is_file() or _sha256(path) != expected:
        raise _corrupt(path, "is absent or not the file its manifest names")
    return path.read_text(encoding="utf-8")


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _corrupt(path, "is absent or unreadable") from error
    if not isinstance(manifest.get("about"), dict) or not isinstance(manifest.get("files"), dict):
        raise _corrupt(path, "is not an artifact's manifest")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _corrupt(path: Path, fact: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{path.name} {fact}.",
        where=str(path),
        todo="Run the training step of that date again; it replaces the artifact.",
    )
