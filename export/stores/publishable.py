"""What may be published: nothing that retention is deleting, nothing while users are erased or that has them still."""

from __future__ import annotations

from contracts.errors import PublishRefused
from export.stores import erasure_moves
from export.stores.state import Pointer


def check(pointer: Pointer | None, snapshot: str, where: str, *, erasures: int | None) -> int:
    """The count of erasures; passes unless one is under way or retention is deleting the snapshot.

    Args:
        pointer: the state now.
        snapshot: about to be published.
        where: the store, for messages.
        erasures: what was returned when the publish began, None at its begin.

    Raises:
        PublishRefused: so it is, or users were erased since, whom the publisher may still have.
    """
    now = 0 if pointer is None else pointer.erasures
    if erasures is not None and now != erasures:
        raise erased_meanwhile(snapshot, where)
    erasure_moves.check_no_erasure(pointer, "publish")
    if pointer is not None and snapshot in pointer.removing:
        raise PublishRefused(
            f"{snapshot} is being deleted by retention",
            where=where,
            todo="Let retention finish, or run it again, then publish.",
        )
    return now


def erased_meanwhile(snapshot: str, where: str) -> PublishRefused:
    """The error of a publisher who may still have users that were erased since it began."""
    return PublishRefused(f"Users were erased while {snapshot} was published", where=where, todo="Publish again.")
