"""Where everything lies below the root folder."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from contracts.tables import Table


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one root. Ids never become part of a path; dates do, as ISO text."""

    root: Path

    def landing(self, feed: str) -> Path:
        """Folder of a feed (`events`, `items`, `users`, `outcomes`), which holds `date=YYYY-MM-DD` folders."""
        return self.root / "landing" / feed

    def landing_day(self, feed: str, day: dt.date) -> Path:
        """Folder of one landing day."""
        return self.landing(feed) / f"date={day.isoformat()}"

    def table(self, table: Table) -> Path:
        """Folder of a Delta table."""
        return self.root / "lake" / table.name

    def artifact(self, kind: str, as_of: dt.date) -> Path:
        """Folder of one model artifact (`traffic`, `item_arrays`, `als`, `neighbours`, `ranker`)."""
        return self.root / "artifacts" / f"{kind}-{as_of.isoformat()}"

    def report(self, name: str) -> Path:
        """A report file made for people."""
        return self.root / "reports" / name

    @property
    def blessings(self) -> Path:
        """Folder of the gates' verdicts, one file a night."""
        return self.root / "blessings"

    @property
    def erased(self) -> Path:
        """Folder of the register of erased users."""
        return self.root / "erased"

    @property
    def store(self) -> Path:
        """Folder of the local snapshot store."""
        return self.root / "store"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.root / "dagster"
