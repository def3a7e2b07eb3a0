"""Who works below a root: steps of nights and verbs side by side, an erasure alone. A lock falls with its process.

root/.working   held by everyone who makes something of users' rows, shared; by an erasure alone
root/.erasing   an erasure that waits holds it, so that it goes before the next step: a night need not end first
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from contracts.layout import Layout
from export.durable import writing

LOG: Final = logging.getLogger("larder.root")


@contextmanager
def working(layout: Layout) -> Iterator[None]:
    """A block that makes something of users' rows below the root: no erasure runs meanwhile.

    What it read before an erasure it has written before, where the erasure finds it. Blocks are not put into each
    other: the inner one would wait for an erasure that waits for the outer one.

    Raises:
        EnvironmentUnfit: the root is read-only or not ours to write to.
    """
    told = "An erasure is running; waiting until it has ended"
    with ExitStack() as held:
        with _locked(layout.root / ".erasing", fcntl.LOCK_SH, told):
            held.enter_context(_locked(layout.root / ".working", fcntl.LOCK_SH, told))
        yield


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """A block during which nothing is made of users' rows below the root, and no other erasure runs.

    Raises:
        EnvironmentUnfit: the root is read-only or not ours to write to.
    """
    with (
        _locked(layout.root / ".erasing", fcntl.LOCK_EX, "Another erasure is running; waiting until it has ended"),
        _locked(layout.root / ".working", fcntl.LOCK_EX, "A step of a night is running; waiting until it has ended"),
    ):
        yield


@contextmanager
def _locked(path: Path, how: int, told: str) -> Iterator[None]:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.warning("%s: %s", path.parent, told)
            fcntl.flock(file, how)
        yield
