"""Which landing days a night ingests: its own, and those before it that no night has ingested yet."""

from __future__ import annotations

import datetime as dt

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from jobs import lake
from jobs.ingest.landed import landed_days


def first_to_ingest(layout: Layout, as_of: dt.date) -> dt.date:
    """The first landing day of one run that leaves no landed day up to `as_of` out.

    A day without a folder is an error while it is the newest: its feed may have failed. Once later days have landed the
    shop was closed that day, and the night goes on from the day before.

    Raises:
        InputMissing: nothing landed by `as_of`, or its own day has not landed yet.
    """
    folder = layout.landing("events")
    landed = landed_days(folder)
    earlier = [day for day in landed if day <= as_of]
    if not earlier or (as_of not in earlier and landed[-1] < as_of):
        raise InputMissing(
            f"No events landed for {as_of}" + (f"; the newest day is {landed[-1]}." if landed else "."),
            where=str(layout.landing_day("events", as_of)),
            todo="Land the day, or name an earlier one with --as-of. The lists of the last night are still served.",
        )
    ingested = lake.span(layout, tables.EVENTS)
    if ingested is None or ingested[0] > as_of:
        return earlier[0]
    fresh = [day for day in earlier if day > ingested[1]]
    return fresh[0] if fresh else earlier[-1]
