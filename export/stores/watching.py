"""A local store's count of the pointer's moves: by it a reader sees in a tenth of a look that nothing was moved.

The file has one number, 8 bytes, little-endian: odd while a move is under way, higher after each. Readers map it. It
says nothing of the pointer itself, and is nothing to keep: without it, or where a move was cut short, they look.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NAME: Final = ".moves"
N_BYTES: Final = 8
LOOK_SECONDS: Final = 1.0
"""So long a change of the pointer by other hands than ours, which count nothing, may go unseen."""


@contextmanager
def moving(root: Path) -> Iterator[None]:
    """A block that moves the pointer of the store in `root`, which one process at a time is in."""
    descriptor = os.open(root / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        n = int.from_bytes(os.pread(descriptor, N_BYTES, 0), "little") | 1
        os.pwrite(descriptor, n.to_bytes(N_BYTES, "little"), 0)
        yield
        os.pwrite(descriptor, (n + 1).to_bytes(N_BYTES, "little"), 0)
    finally:
        os.close(descriptor)


class Watch:
    """Tells whether the pointer was moved. Safe to share between threads."""

    def __init__(self, root: Path, mark: Callable[[], Hashable], clock: Callable[[], float]) -> None:
        """Watches the store in `root`, whose `mark` changes when its pointer does; `clock` is monotonic, in seconds."""
        self._path, self._mark, self._clock = root / NAME, mark, clock
        self._map: mmap.mmap | bytes = b""
        self._seen: tuple[bytes, Hashable] = (b"never", None)
        self._look_at = float("-inf")

    def mark(self) -> Hashable:
        """A value that changes when the pointer does: at once where Larder moved it, else within `LOOK_SECONDS`.

        Raises:
            OSError: the store cannot be looked at.
        """
        count, made = self._seen
        if self._map[:N_BYTES] == count and self._clock() < self._look_at:
            return made
        return self._look()

    def _look(self) -> Hashable:
        if self._clock() >= self._look_at:
            self._map = _mapped(self._path)  # another file may lie there by now
        count = self._map[:N_BYTES]  # before the look: a move after it is seen next time
        made = self._mark()
        is_still = len(count) == N_BYTES and not count[0] & 1
        self._seen = (count if is_still else b"moving", made)
        self._look_at = self._clock() + LOOK_SECONDS
        return made


def _mapped(path: Path) -> mmap.mmap | bytes:
    """The file's bytes as they change, none where it is not there yet."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), N_BYTES, access=mmap.ACCESS_READ)
    except (FileNotFoundError, ValueError):  # or it has no bytes yet
        return b""
