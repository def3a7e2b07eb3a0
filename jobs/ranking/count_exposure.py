"""How many of the last night's lists showed each item: what exploration calls under-exposed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from models.exposure import Exposure

KIND = "exposure"


def make(layout: Layout, settings: Settings, *, as_of: dt.date) -> Path:
    """The artifact `exposure` of a date, from the newest lists before it; on a first night nothing was shown."""
    counted = Exposure(settings.exploration.reach_k)
    before = [day for day in lake.dates(layout, tables.TOP_N_LISTS) if day < as_of]
    if before:
        for batch in lake.batches(layout, tables.TOP_N_LISTS, before[-1], ("placement", "item_idx")):
            counted.add(batch)
    folder = layout.artifact(KIND, as_of)
    counted.save(folder, about={"lists_of": before[-1].isoformat() if before else None})
    return folder
