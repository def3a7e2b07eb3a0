from __future__ import annotations

from pathlib import Path

import pytest

from export.stores.local import FileCell
from export.stores.state import Event, Pointer
from export.stores.watching import LOOK_SECONDS, NAME, Watch, moving


class Looks:
    """What a watch looks at: a mark that is set by hand, its looks counted, and a clock that stands still."""

    def __init__(self, root: Path) -> None:
        self.value, self.n, self.now = 1, 0, 0.0
        self.watch = Watch(root, self.look, lambda: self.now)

    def look(self) -> int:
        """The mark."""
        self.n += 1
        return self.value


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    """A store with one move behind it, which was seen."""
    with moving(tmp_path):
        pass
    made = Looks(tmp_path)
    made.watch.mark()
    return made


def test_while_nothing_is_moved_nothing_is_looked_at(looks: Looks) -> None:
    """A thousand questions within the second: not one look."""
    assert {looks.watch.mark() for _ in range(1000)} == {1}
    assert looks.n == 1


def test_a_move_is_seen_at_once(looks: Looks, tmp_path: Path) -> None:
    """The clock stands still: the count alone tells, also while the move is under way and for each of 300 moves."""
    for value in range(2, 302):
        with moving(tmp_path):
            assert looks.watch.mark() == value - 1
            looks.value = value
            assert looks.watch.mark() == value
        assert looks.watch.mark() == value
        before = looks.n
        assert looks.watch.mark() == value
        assert looks.n == before


def test_after_a_move_that_was_cut_short_every_question_looks(looks: Looks, tmp_path: Path) -> None:
    """Whoever moved may have died after the pointer was swapped; the next move ends it."""
    with pytest.raises(KeyboardInterrupt), moving(tmp_path):
        raise KeyboardInterrupt
    for value in (5, 6):
        looks.value = value
        assert looks.watch.mark() == value
    with moving(tmp_path):
        pass
    looks.watch.mark()
    before = looks.n
    looks.watch.mark()
    assert looks.n == before


def test_what_other_hands_change_is_seen_within_a_second(looks: Looks) -> None:
    """They count nothing."""
    looks.value = 7
    assert looks.watch.mark() == 1
    looks.now += LOOK_SECONDS
    assert looks.watch.mark() == 7


def test_another_count_in_its_place_is_the_one_that_counts_after_a_second(looks: Looks, tmp_path: Path) -> None:
    """As after a copy of the store was put in its place."""
    (tmp_path / "new").write_bytes(bytes(8))
    (tmp_path / "new").replace(tmp_path / NAME)
    looks.now += LOOK_SECONDS
    looks.watch.mark()
    with moving(tmp_path):
        looks.value = 8
    assert looks.watch.mark() == 8


@pytest.mark.parametrize("content", [None, b"", b"half"])
def test_a_store_without_a_count_is_looked_at_each_time(tmp_path: Path, content: bytes | None) -> None:
    """One that an earlier version moved last, or whose file has no bytes yet."""
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    looks = Looks(tmp_path)
    for value in (1, 2, 3):
        looks.value = value
        assert looks.watch.mark() == value
    with moving(tmp_path):
        looks.value = 4
    assert looks.watch.mark() == 4


def test_the_pointer_of_a_local_store_counts_its_moves(tmp_path: Path) -> None:
    """Even after each; a swap that is refused counts nothing."""
    cell, counts = FileCell(tmp_path), []
    for token in (b"", b"wrong", None):
        event = Event(sequence=1, at="2026-01-02", by="test", kind="flip", snapshot="s", reason="test")
        pointer = Pointer(snapshot="s", last=event)
        cell.swap(pointer, cell.read()[1] if token is None else token)
        counts.append(int.from_bytes((tmp_path / NAME).read_bytes(), "little"))
    assert counts == [2, 2, 4]
