"""Which days have landed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from contracts.errors import InputInvalid


def landed_days(folder: Path) -> list[dt.date]:
    """Days that have a landing folder, ascending.

    Raises:
        InputInvalid: a folder's name is no date.
    """
    days = []
    for path in folder.glob("date=*"):
        try:
            days.append(dt.date.fromisoformat(path.name.removeprefix("date=")))
        except ValueError as error:
            raise InputInvalid(
                f"{path.name} is not a day.", where=str(path), todo="Name landing folders date=YYYY-MM-DD."
            ) from error
    return sorted(days)
