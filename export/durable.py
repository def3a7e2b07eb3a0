"""Files that survive a crash: written beside, flushed, then renamed over."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import EnvironmentUnfit

UNFIT: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def sync_file(path: Path) -> None:
    """Flushes a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Flushes a folder's entries to the disk, so that a rename in it lasts."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """A block that writes below `where`.

    Raises:
        EnvironmentUnfit: the disk is full, read-only or not ours to write to.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNFIT:
            raise
        raise EnvironmentUnfit(
            f"Nothing can be written: {os.strerror(error.errno)}",
            where=str(where),
            todo="Free space or correct the permissions, then run the step again.",
        ) from error


def replace_bytes(path: Path, data: bytes) -> None:
    """The file holds `data`, whole, or what it held before."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def replace_json(path: Path, value: object) -> None:
    """The file holds `value` as indented JSON, or what it held before."""
    replace_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when the block ends well and is removed when it does not."""
    temporary = path.with_name(f".{path.name}.incoming")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            sync_file(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def empty_folder(path: Path) -> Path:
    """The folder, new and empty, whatever lay there before."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path
