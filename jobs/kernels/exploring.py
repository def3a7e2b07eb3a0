"""Exploration of finished lists, as it runs inside Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.days import day_number
from contracts.settings import Exploration
from models import exposure
from models.exploration import Explored, Policy, draw_key, explore
from models.ragged import Bool, Int32
from models.rerank import Lists
from models.sources.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Exploring:
    """What a Python worker needs to explore the lists of a date; small enough to travel with the task.

    Attributes:
        settings: shares, slots, floor.
        seed: of the draws.
        as_of: the night.
        reason: index of the reason `explored`.
        open_exposure: the artifact `exposure` as the worker sees it.
    """

    settings: Exploration
    seed: int
    as_of: dt.date
    reason: int
    open_exposure: Callable[[], Path]

    def explored(
        self, made: Lists, candidates: Lists, users: Int32, catalogue: Catalogue, placement: str, is_fixed: Bool
    ) -> Explored:
        """Finished lists of a placement with its share of explored slots.

        Args:
            made: the lists, ordered by row.
            candidates: what may be shown, ordered by row, then best first.
            users: user index of each row.
            catalogue: of the date.
            placement: whose share and slots count.
            is_fixed: by item index, True for what no explored item may take the place of.
        """
        policy = Policy(
            share=self.settings.share.get(placement, 0.0),
            first_slot=self.settings.first_slot,
            last_slot=self.settings.last_slot,
            floor=self.settings.floor,
            items_per_slot=self.settings.items_per_slot,
            reason=self.reason,
            key=draw_key(self.seed, day_number(self.as_of), placement),
        )
        return explore(made, candidates, users, self._open_items(catalogue, placement), policy, is_fixed)

    def _open_items(self, catalogue: Catalogue, placement: str) -> Bool:
        """True for new items and for those that few of the last night's lists showed."""
        reach = exposure.reach(self.open_exposure(), placement, catalogue.items.n_items)
        return np.asarray(catalogue.is_arrival | (reach <= self.settings.max_reach))
