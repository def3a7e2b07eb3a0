from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contracts.layout import Layout
from jobs.root_locks import alone, working


def is_free(root: Path, name: str, how: int = fcntl.LOCK_EX) -> bool:
    """Whether a lock could be had now."""
    with (root / name).open("ab") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def wait_until_taken(root: Path, name: str) -> None:
    """Returns when somebody holds the lock."""
    while is_free(root, name):
        threading.Event().wait(0.001)


def test_work_goes_on_side_by_side(tmp_path: Path) -> None:
    """Two blocks at once, and no erasure in between."""
    layout = Layout(tmp_path / "root")
    with working(layout), working(layout):
        assert not is_free(layout.root, ".working")
        assert is_free(layout.root, ".erasing")
    assert is_free(layout.root, ".working")


def test_an_erasure_waits_for_the_step_and_goes_before_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, saying so; a step that begins meanwhile waits for it, though the first one is still running."""
    layout, order = Layout(tmp_path), list[str]()

    def erase() -> None:
        with alone(layout):
            order.append("erasure")

    def next_step() -> None:
        with working(layout):
            order.append("next step")

    threads = [threading.Thread(target=erase), threading.Thread(target=next_step)]
    with caplog.at_level(logging.WARNING), working(layout):
        threads[0].start()
        wait_until_taken(tmp_path, ".erasing")
        threads[1].start()
        while len(caplog.records) < 2 and threads[1].is_alive():
            threading.Event().wait(0.001)
        order.append("step")
    for thread in threads:
        thread.join()
    assert order == ["step", "erasure", "next step"]
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"{tmp_path}: A step of a night is running; waiting until it has ended",
        f"{tmp_path}: An erasure is running; waiting until it has ended",
    ]


def test_two_erasures_wait_for_each_other(tmp_path: Path) -> None:
    """Whoever is second begins when the first has ended."""
    layout, order = Layout(tmp_path), list[str]()

    def second() -> None:
        with alone(layout):
            order.append("second")

    with alone(layout):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
        assert not is_free(tmp_path, ".erasing")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_of_a_killed_process_is_nobodys(tmp_path: Path) -> None:
    """An erasure that was killed holds nobody up."""
    code = (
        "import sys, time; from pathlib import Path; from contracts.layout import Layout; "
        "from jobs.root_locks import alone\n"
        f"with alone(Layout(Path({str(tmp_path)!r}))):\n    print('held', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert not is_free(tmp_path, ".working", fcntl.LOCK_SH)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with working(Layout(tmp_path)):
        pass
