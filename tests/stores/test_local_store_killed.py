from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from export.blessing import Blessing, write_blessing
from export.format.manifest import Manifest
from export.lookup import Lists
from export.stores.local import LocalStore
from export.stores.state import Pointer
from export.verification import verify

Build = Callable[..., Manifest]
Night = Callable[..., str]
When = Literal["before", "after"]
AT = "2026-01-02T03:04:05Z"
STEPS = ((os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "copyfile"), (os, "rmdir"))


def die_at(step: int, when: When) -> None:
    """This process kills itself before or after its so-many-th call that changes the disk."""
    calls = 0

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            mine = calls == step
            if mine and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for module, name in STEPS:
        setattr(module, name, wrap(getattr(module, name)))


def run_killed(work: Callable[[], object], step: int, when: When) -> bool:
    """Whether a child that does `work` was killed at the step; False where it ended before it."""
    child = os.fork()
    if child == 0:
        die_at(step, when)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def publish_and_flip(store: LocalStore, build: Path, blessing: Path, expected: Pointer | None) -> str:
    """The protocol of a night, from the build to the pointer."""
    snapshot = store.publish(build, blessing=blessing).snapshot
    store.flip(snapshot, expected=expected, by="test", reason="night 2", at=AT)
    return snapshot


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_publisher_killed_anywhere_and_run_again_reaches_the_same_state(
    tmp_path: Path, build: Build, night: Night, when: When
) -> None:
    """At every step: readers see one whole night, the second run ends with the same id, pointer and history."""
    template = LocalStore(tmp_path / "template")
    first = night(template, 1)
    manifest = build(tmp_path / "second", day=2)
    blessing = tmp_path / "second.json"
    write_blessing(blessing, Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed"))
    expected = template.pointer()
    undisturbed = LocalStore(tmp_path / "undisturbed")
    shutil.copytree(template.root, undisturbed.root)
    second = publish_and_flip(undisturbed, tmp_path / "second", blessing, expected)
    step, killed, seen = 0, True, set()
    while killed:
        step += 1
        store = LocalStore(tmp_path / "store")
        shutil.copytree(template.root, store.root)
        killed = run_killed(partial(publish_and_flip, store, tmp_path / "second", blessing, expected), step, when)
        answer = Lists(store).get("ann", 9, "home")
        assert (answer.source, answer.items) == ("personal", ["jam", "milk", "bread"])
        seen.add(answer.snapshot)
        assert publish_and_flip(store, tmp_path / "second", blessing, expected) == second
        assert store.pointer() == undisturbed.pointer()
        assert store.history() == undisturbed.history()
        assert store.snapshots() == [first, second]
        assert verify(store.directory(second)) == manifest
        shutil.rmtree(store.root)
    assert step > 15
    assert seen == {first, second}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rollback_killed_anywhere_and_run_again_goes_back_once(tmp_path: Path, night: Night, when: When) -> None:
    """At every step: readers see the bad or the good night, and whoever looks first rolls back at most once."""
    template = LocalStore(tmp_path / "template")
    names = [night(template, day) for day in (1, 2, 3)]
    step, killed = 0, True
    while killed:
        step += 1
        store = LocalStore(tmp_path / "store")
        shutil.copytree(template.root, store.root)
        killed = run_killed(partial(store.rollback, by="test", reason="bad", at=AT), step, when)
        assert Lists(store).get("ann", 1, "home").snapshot in names[1:]
        pointer = store.pointer()
        assert pointer is not None
        if pointer.snapshot == names[2]:
            pointer = store.rollback(by="test", reason="bad", at=AT)
        assert (pointer.snapshot, pointer.good_previous(names)) == (names[1], [names[0]])
        assert pointer.quarantined == (names[2],)
        assert [event.kind for event in store.history()] == ["flip", "flip", "flip", "rollback"]
        shutil.rmtree(store.root)
    assert step > 4


def test_two_processes_that_publish_at_once_leave_one_whole_snapshot(
    tmp_path: Path, build: Build, store: LocalStore
) -> None:
    """Five rounds: both end well, one copy, one move of the pointer."""
    manifest = build(tmp_path / "b")
    blessing = tmp_path / "b.json"
    write_blessing(blessing, Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed"))
    for _ in range(5):
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    publish_and_flip(store, tmp_path / "b", blessing, None)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
        assert verify(store.directory(manifest.snapshot_id)) == manifest
        assert len(store.history()) == 1
        shutil.rmtree(store.root)
