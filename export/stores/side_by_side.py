"""Requests of one piece of work made side by side; the first failure ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def each(work: Callable[[T], object], parts: Sequence[T], *, at_once: int) -> None:
    """`work` of every part is done, up to `at_once` of them side by side.

    After a failure no part is begun, those under way are waited for, and the failure of the earliest part is raised.
    """
    is_over = threading.Event()

    def begin(part: T) -> None:
        if is_over.is_set():
            return
        try:
            work(part)
        except BaseException:
            is_over.set()
            raise

    with ThreadPoolExecutor(at_once, thread_name_prefix="larder-side") as pool:
        running = [pool.submit(begin, part) for part in parts]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            is_over.set()
    for one in running:
        one.result()
