"""Who reads which snapshot: canary, exposure and shadow, by one move of the pointer."""

from __future__ import annotations

import datetime as dt

import msgspec
from msgspec.structs import replace

from contracts.errors import InputInvalid, SnapshotMissing
from contracts.settings import Settings
from export.stores.opening import store_of
from export.stores.state import Channels, Pointer
from jobs.paths import layout_of
from jobs.publishing import verdicts


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The channels asked for; None leaves what it names as it is.

    Attributes:
        exposure: percent of the users who read the canary: 0, 5, 10, 25, 50 or 100; at 0 it is given up.
        snapshot: the canary.
        shadow: `none` ends it.
        salt: that of another canary is its id.
        interleave: whether those users read both snapshots' items in one list.
    """

    exposure: int
    snapshot: str | None = None
    shadow: str | None = None
    salt: str | None = None
    interleave: bool = False


def run(settings: Settings, wanted: Wanted, *, at: dt.datetime, by: str, reason: str, override: str | None) -> Pointer:
    """The pointer after the move.

    Args:
        settings: root and store.
        wanted: the channels.
        at: when, for the history.
        by: id of this run, for the history.
        reason: why, for the history.
        override: why users read a canary without a blessing or a verdict of the parity check; None asks for both.

    Raises:
        SnapshotMissing: nothing was published yet, or not the snapshot that is named.
        InputInvalid: the exposure is none of those, there is no canary to expose, or the override gives no reason.
        PublishRefused: nobody reads the canary yet, and no blessing names it or its lists were not made again; or the
            pointer moved meanwhile.
        HeldByGate: the parity check is red.
    """
    layout = layout_of(settings)
    store = store_of(settings.store, layout)
    pointer = store.pointer()
    if pointer is None:
        raise SnapshotMissing("No snapshot was published yet", where=store.where, todo="Run a night first.")
    channels = _channels(pointer.channels, wanted)
    if channels.canary not in {"", pointer.snapshot, pointer.channels.canary}:
        reason += verdicts.asked(layout, store.open(channels.canary).manifest, override)
    return store.rollout(channels, by=by, reason=reason, at=at.isoformat(timespec="seconds"))


def _channels(old: Channels, wanted: Wanted) -> Channels:
    canary = wanted.snapshot or old.canary
    fields = {
        "canary": canary if wanted.exposure else "",
        "exposure": wanted.exposure,
        "shadow": {None: old.shadow, "none": ""}.get(wanted.shadow, wanted.shadow or ""),
        "salt": wanted.salt if wanted.salt is not None else old.salt if canary == old.canary else canary,
    }
    try:
        return replace(msgspec.convert(fields, Channels), interleave=wanted.interleave)
    except msgspec.ValidationError as error:
        raise InputInvalid(
            f"{wanted.exposure} is no exposure", where="--exposure", todo="Use 0, 5, 10, 25, 50 or 100."
        ) from error
