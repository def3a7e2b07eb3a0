"""Moves of the pointer over any place that can compare and swap, and the history behind them.

A move reads the state, makes the next one and swaps. Before it swaps it records the previous move in the history, so
that a crash after a swap costs nothing: the next mover, or a reader of the history, finds that move in the pointer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from contracts.errors import PublishRefused, StoreUnreachable
from export.stores.state import Event, Pointer

LOG: Final = logging.getLogger("larder.store")
MAX_ROUNDS: Final = 50


class PointerCell(Protocol):
    """The one place of a store that can be compared and swapped, and the list of moves beside it."""

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    def read(self) -> tuple[Pointer | None, Any]:
        """The pointer, None before the first move, and a token that only this very state has."""
        ...

    def swap(self, pointer: Pointer, token: Any) -> bool:
        """Whether the state was still that of `token`, and so was replaced.

        False also where the reply of a swap that was made got lost and the second try found it changed.

        Raises:
            StoreUnreachable: it is not known whether it was replaced.
        """
        ...

    def record(self, event: Event) -> None:
        """The event stands in the history, once. All events before it stand there already."""
        ...

    def recorded(self, last: int | None = None) -> list[Event]:
        """The history as recorded, oldest first: all moves but perhaps the last one.

        Args:
            last: only so many of the latest are wanted; None for all.
        """
        ...


def move(cell: PointerCell, make: Callable[[Pointer | None], Pointer | None]) -> Pointer | None:
    """The state that `make` made of the state there was; `make` is asked again when somebody else was faster.

    Args:
        cell: where the state lies.
        make: gives back what it was given where there is nothing to change; raises to refuse.

    Raises:
        PublishRefused: others moved the pointer so many times in a row.
        StoreUnreachable: the store does not answer; the pointer is what it was, or moved as asked.
    """
    for _ in range(MAX_ROUNDS):
        current, token = cell.read()
        made = make(current)
        if current is not None:
            cell.record(current.last)
        if made is None or made == current:
            return current
        if _swap(cell, made, token):
            _record_made(cell, made.last)
            return made
    raise PublishRefused(
        f"Others moved the pointer {MAX_ROUNDS} times meanwhile",
        where=cell.where,
        todo="Look who does, then try again.",
    )


def _record_made(cell: PointerCell, event: Event) -> None:
    """The event stands in the history; where the store went away after the swap, the next mover writes it."""
    try:
        cell.record(event)
    except StoreUnreachable as error:
        LOG.warning(
            "%s moved, but its history lacks move %d until the next: %s", cell.where, event.sequence, error.what
        )


def history(cell: PointerCell, last: int | None = None) -> list[Event]:
    """Every move or the `last` ones, oldest first, the latest even where a crash kept it from its record."""
    pointer, _ = cell.read()
    events = cell.recorded(last)
    if pointer is not None and (not events or events[-1].sequence < pointer.last.sequence):
        events.append(pointer.last)
    return events if last is None else events[-last:]


def _swap(cell: PointerCell, made: Pointer, token: Any) -> bool:
    try:
        return cell.swap(made, token) or _is_made(cell, made)
    except StoreUnreachable:
        if not _is_made_at_last(cell, made):
            raise
        return True


def _is_made_at_last(cell: PointerCell, made: Pointer) -> bool:
    try:
        return _is_made(cell, made)
    except StoreUnreachable as error:
        raise StoreUnreachable(
            f"{error.what}; it is not known whether the pointer moved",
            where=cell.where,
            todo="Look at `larder status` when it answers again, before anything else.",
        ) from None


def _is_made(cell: PointerCell, made: Pointer) -> bool:
    """Whether the state became `made` after all: it is, or it was and others moved on, who recorded it."""
    current, _ = cell.read()
    if current is None or current.last.sequence < made.last.sequence:
        return False
    moves_since = current.last.sequence - made.last.sequence
    return current == made or (moves_since > 0 and made.last in cell.recorded(moves_since + 1))
