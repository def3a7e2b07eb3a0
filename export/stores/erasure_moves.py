"""The moves of an erasure as pure functions; while one is under way nothing is published and nothing flipped.

An erasure that was stopped leaves its mark, so that what it did not reach is not served by a later flip. The next one
takes its place: it ends what was begun, and whoever it replaced fails at its next look at the state.
"""

from __future__ import annotations

from msgspec.structs import replace

from export.stores.state import Act, Pointer, event, refused


def begin(pointer: Pointer | None, *, act: Act) -> Pointer:
    """Users' lists are being taken out of the snapshots: until `end` nothing is published and nothing flipped.

    Where an erasure did not end, this one takes its place. It is a state of its own also before the first flip.
    """
    if pointer is None:
        return Pointer(snapshot="", erasures=1, last=event(None, "erase", "", act))
    return replace(
        pointer, erasures=pointer.erasures + 1 + pointer.is_erasing, last=event(pointer, "erase", pointer.snapshot, act)
    )


def taken_out(pointer: Pointer | None, *, erasures: int, act: Act) -> Pointer:
    """The lists are out of the snapshots: readers open anew, and see no more what they were before.

    Args:
        pointer: the state now.
        erasures: of the state that this erasure made.
        act: who, when, why.

    Raises:
        PublishRefused: another erasure took its place.
    """
    pointer = _mine(pointer, erasures)
    return replace(pointer, erasures=erasures + 2, last=event(pointer, "erase", pointer.snapshot, act))


def end(pointer: Pointer | None, *, erasures: int) -> Pointer:
    """What the snapshots were before is gone: publishing and flipping go on. No move of its own in the history.

    Raises:
        PublishRefused: another erasure took its place.
    """
    return replace(_mine(pointer, erasures), erasures=erasures + 1)


def check_no_erasure(pointer: Pointer | None, verb: str) -> None:
    """Passes where every erasure that began has ended.

    Args:
        pointer: the state now.
        verb: what to do again afterwards.

    Raises:
        PublishRefused: one has not.
    """
    if pointer is not None and pointer.is_erasing:
        raise refused(
            "Users are being erased, or an erasure was stopped before its end",
            pointer,
            f"Let it end, or run it again (the history has its reason), then {verb}.",
        )


def _mine(pointer: Pointer | None, erasures: int) -> Pointer:
    if pointer is None or pointer.erasures != erasures:
        raise refused("Another erasure began meanwhile", pointer, "Let it end, then run this one again.")
    return pointer
