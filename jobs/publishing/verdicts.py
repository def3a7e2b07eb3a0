"""What is asked before a snapshot is served to anybody: the gates' blessing, and the parity check's verdict."""

from __future__ import annotations

from contracts.errors import HeldByGate, InputInvalid, PublishRefused
from contracts.layout import Layout
from export.blessing import check_blessed
from export.format.manifest import Manifest
from jobs.publishing import parity_verdict


def asked(layout: Layout, manifest: Manifest, override: str | None) -> str:
    """What the move's reason says of an override, empty without one.

    Args:
        layout: of the root with the verdicts.
        manifest: of the snapshot.
        override: why the snapshot is served without a blessing or a verdict; None asks for both.

    Raises:
        PublishRefused: no blessing names the snapshot, or its lists were not made again.
        HeldByGate: the parity check is red.
        InputInvalid: the override gives no reason.
    """
    if override is not None and not override.strip():
        raise InputInvalid("The override gives no reason", where="--override", todo="Say why, for the history.")
    day, missing = manifest.as_of, []
    for check in (
        lambda: check_blessed(layout.blessings / f"{day.isoformat()}.json", manifest),
        lambda: parity_verdict.check(layout, day, manifest.snapshot_id),
    ):
        try:
            check()
        except (PublishRefused, HeldByGate) as error:
            if override is None:
                raise
            missing.append(error.what)
    return "" if override is None else f"; override: {override.strip()} ({'; '.join(missing) or 'nothing to override'})"
