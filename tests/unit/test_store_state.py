from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from contracts.errors import InputInvalid, PublishRefused, SnapshotCorrupt, SnapshotMissing
from export.stores import moves, state
from export.stores.state import Act, Channels, Event, Pointer, Retired

AT = "2026-01-02T03:04:05Z"
A, B, C = (f"2026-01-0{day}-{day:012d}" for day in (1, 2, 3))


def act(at: str = AT, by: str = "me") -> Act:
    """Somebody's move."""
    return Act(by=by, at=at, reason="because")


def at(seconds: int) -> str:
    """A time so many seconds after the first of January 2026."""
    return f"2026-01-01T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}+00:00"


def after_flips(*names: str) -> Pointer:
    """The state after flips to the names."""
    pointer = None
    for name in names:
        pointer = moves.flip(pointer, name, expected=pointer, act=act())
    assert pointer is not None
    return pointer


def test_a_flip_by_hand() -> None:
    """Every field after two flips."""
    assert after_flips(A, B) == Pointer(
        snapshot=B,
        previous=(Retired(snapshot=A, at=AT),),
        last=Event(sequence=2, kind="flip", at=AT, by="me", reason="because", snapshot=B, replaced=A),
    )


def test_a_flip_back_to_an_earlier_one_leaves_it_once() -> None:
    """A, B, A: the current one is not also a previous one."""
    pointer = after_flips(A, B, A)
    assert (pointer.snapshot, [old.snapshot for old in pointer.previous]) == (A, [B])


def test_nothing_to_change_gives_the_same_state() -> None:
    """Flip to the current, release of what is not held, pin of the pinned, unpin of the free, retention of nothing."""
    pointer = moves.pin(after_flips(A, B), A, act=act())
    assert moves.flip(pointer, B, expected=None, act=act()) is pointer
    assert moves.release(pointer, act=act()) is pointer
    assert moves.pin(pointer, A, act=act()) is pointer
    assert moves.unpin(pointer, C, act=act()) is pointer
    assert moves.rollout(pointer, pointer.channels, act=act()) is pointer
    assert moves.retain(pointer, present=[A, B], keep=1, grace_seconds=0, act=act()) is pointer
    assert moves.retain(None, present=[A], keep=1, grace_seconds=0, act=act()) is None


def test_a_hold_stops_a_flip_and_a_growing_canary() -> None:
    """Less exposure is allowed, more is not, nor is another canary."""
    pointer = moves.rollout(after_flips(A), Channels(canary=B, exposure=25), act=act())
    held = replace(pointer, held="rolled back: x")
    with pytest.raises(PublishRefused, match="held"):
        moves.flip(held, B, expected=held, act=act())
    with pytest.raises(PublishRefused, match="held"):
        moves.rollout(held, Channels(canary=B, exposure=50), act=act())
    with pytest.raises(PublishRefused, match="held"):
        moves.rollout(held, Channels(canary=C, exposure=5), act=act())
    assert moves.rollout(held, Channels(canary=B, exposure=10), act=act()).channels.exposure == 10
    assert moves.rollout(held, Channels(), act=act()).previous == (Retired(snapshot=B, at=AT, was_current=False),)


def test_a_rollback_ends_the_canary_and_never_goes_to_one() -> None:
    """The canary's readers get the good one too; a canary that was never current is no goal."""
    pointer = moves.rollout(after_flips(A, B), Channels(canary=C, exposure=5, salt="s"), act=act())
    back = moves.rollback(pointer, present=[A, B, C], act=act())
    assert (back.snapshot, back.quarantined, back.channels) == (A, (B,), Channels(salt="s"))
    assert [(old.snapshot, old.was_current) for old in back.previous] == [(B, True), (C, False)]
    with pytest.raises(PublishRefused, match="no earlier"):
        moves.rollback(moves.release(back, act=act()), present=[A, B, C], act=act())


@pytest.mark.parametrize(
    ("seconds_later", "keep", "removing"),
    [(3599, 0, ()), (3600, 0, (A, B)), (3600, 1, (A,)), (3600, 2, ())],
)
def test_retention_by_hand(seconds_later: int, keep: int, removing: tuple[str, ...]) -> None:
    """Three nights, retired at once: the grace first, then so many kept."""
    pointer: Pointer | None = None
    for name in (A, B, C):
        pointer = moves.flip(pointer, name, expected=pointer, act=act(at(0)))
    made = moves.retain(pointer, present=[A, B, C], keep=keep, grace_seconds=3600, act=act(at(seconds_later)))
    assert made is not None
    assert made.removing == removing
    assert moves.removed(made, removing).removing == ()


def test_a_wrong_time_is_refused() -> None:
    """By name, before anything is moved."""
    with pytest.raises(InputInvalid, match="'yesterday' is no time"):
        act("yesterday")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"snapshot": 1}', b"\xff"])
def test_bytes_that_are_no_state_are_named(raw: bytes) -> None:
    """With the place."""
    with pytest.raises(SnapshotCorrupt, match="cannot be read") as caught:
        state.decode(raw, "here")
    assert caught.value.where == "here"


NAMES = st.sampled_from([f"2026-01-{day:02d}-000000000000" for day in range(1, 8)])


class Moves(RuleBasedStateMachine):
    """Any moves in any order, with what retention says carried out: the laws of the state hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.pointer: Pointer | None = None
        self.present: set[str] = set()
        self.ever_bad: set[str] = set()
        self.left_at: dict[str, int] = {}
        self.pins: set[str] = set()
        self.clock = 0
        self.n = 0

    def make(self, move: Any) -> None:
        """One move: it is refused, or changes the state by one step of the sequence."""
        self.clock += 600
        before, served = self.pointer, self.served()
        try:
            made = move(Act(by=str(self.clock), at=at(self.clock), reason="r"))
        except (PublishRefused, SnapshotMissing, InputInvalid):
            return
        if made is not before and made is not None:
            assert made.last.sequence == (before.last.sequence if before else 0) + 1
            assert state.decode(state.encode(made), "") == made
        self.pointer = made
        self.left_at |= dict.fromkeys(served - self.served(), self.clock)

    def served(self) -> set[str]:
        """What readers may be reading."""
        pointer = self.pointer
        if pointer is None:
            return set()
        return {pointer.snapshot, pointer.channels.canary, pointer.channels.shadow} - {""}

    @rule(name=NAMES)
    def publish_and_flip(self, name: str) -> None:
        """A night."""
        if self.pointer is None or name not in self.pointer.removing:
            self.present.add(name)
            self.make(lambda act: moves.flip(self.pointer, name, expected=self.pointer, act=act))

    @rule()
    def rollback(self) -> None:
        """The current one is bad."""
        before = self.pointer
        self.make(lambda act: moves.rollback(self.pointer, present=self.present, act=act))
        if before is not None and self.pointer is not before:
            self.ever_bad.add(before.snapshot)

    @rule()
    def release(self) -> None:
        """A person lifts the hold."""
        self.make(lambda act: moves.release(self.pointer, act=act))

    @rule(name=NAMES)
    def pin(self, name: str) -> None:
        """A campaign begins."""
        if name in self.present:
            self.make(lambda act: moves.pin(self.pointer, name, act=act))
            self.pins |= {name} & {*(self.pointer.pinned if self.pointer else ())}

    @rule(name=NAMES)
    def unpin(self, name: str) -> None:
        """A campaign ends."""
        self.make(lambda act: moves.unpin(self.pointer, name, act=act))
        self.pins -= {name}

    @rule(canary=NAMES | st.just(""), shadow=NAMES | st.just(""), exposure=st.sampled_from([0, 5, 100]))
    def rollout(self, canary: str, shadow: str, exposure: Any) -> None:
        """A canary, a shadow, or the end of both."""
        if {canary, shadow} - {""} <= self.present:
            channels = Channels(canary=canary, exposure=exposure, shadow=shadow)
            self.make(lambda act: moves.rollout(self.pointer, channels, act=act))

    @rule(keep=st.integers(0, 2))
    def retain(self, keep: int) -> None:
        """What goes is neither read, pinned nor a goal, and nobody read it for the grace."""
        goals = [] if self.pointer is None else self.pointer.good_previous(self.present)[:keep]
        self.make(lambda act: moves.retain(self.pointer, present=self.present, keep=keep, grace_seconds=1800, act=act))
        if self.pointer is None or not self.pointer.removing:
            return
        gone = {*self.pointer.removing}
        assert not gone & {*self.served(), *self.pins, *goals}
        assert all(self.clock - self.left_at[name] >= 1800 for name in gone if name in self.left_at)
        self.present -= gone
        self.pointer = moves.removed(self.pointer, gone)

    @invariant()
    def what_is_served_is_there_and_good(self) -> None:
        """Whatever readers are sent to lies in the store and was never rolled back."""
        assert self.served() <= self.present
        assert not self.served() & self.ever_bad

    @invariant()
    def nothing_is_both_served_and_retired(self) -> None:
        """A snapshot stands in one place of the state."""
        if self.pointer is not None:
            names = [old.snapshot for old in self.pointer.previous]
            assert len(names) == len(set(names))
            assert self.pointer.snapshot not in names


TestMoves = Moves.TestCase
TestMoves.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_a_pointer_of_before_interleaving_is_read() -> None:
    """Its canary is read alone."""
    pointer = moves.rollout(after_flips(A), Channels(canary=B, exposure=10, salt="s"), act=act())
    older = state.encode(pointer).replace(b',\n    "interleave": false', b"")
    assert b"interleave" not in older
    assert state.decode(older, "here") == pointer


def test_a_rollback_ends_interleaving() -> None:
    """With the canary goes what it was interleaved with."""
    pointer = moves.rollout(after_flips(A, B), Channels(canary=C, exposure=50, salt="s", interleave=True), act=act())
    assert moves.rollback(pointer, present={A, B, C}, act=act()).channels == Channels(salt="s")
