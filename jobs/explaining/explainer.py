"""One user's list of one night, item by item, beside the one before."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np

from contracts import tables
from contracts.errors import InputMissing
from contracts.settings import Settings
from export import reasons
from export.lookup import TopN
from jobs import lake
from jobs.explaining.movement import View, moved
from jobs.explaining.result import Change, Contribution, ItemExplanation, Movement
from jobs.explaining.user_night import UserNight
from jobs.paths import layout_of
from models import ranking_features
from models.measures import OURS

_CHANGES: Final = 3
_OWN_COLUMNS: Final = {"item_idx", "reasons", "anchors", "source_bits", "main_sources"}


class Explainer:
    """One user's list of one night beside the one before."""

    def __init__(self, settings: Settings, now: UserNight, then: UserNight | None, n_features: int) -> None:
        """`then` is the earlier night, None where there is none; `n_features` contributions are told of an item."""
        self._settings, self._now, self._then, self._n_features = settings, now, then, n_features
        self._layout = layout_of(settings)
        self._names = ranking_features.names(settings.candidates.sources, settings.candidates.scorers)
        self.served: TopN | None = None
        self._items: dict[int, dict[str, Any]] = {}
        self._views: tuple[View | None, View | None] = (None, None)

    def look_at(self, asked: list[int]) -> None:
        """Reads what is needed to explain `asked` and everything in the two lists."""
        of = {*asked, *self.listed, *self.listed_before}
        self._views = (self._then.view(of) if self._then else None, self._now.view(of))
        row = self._now.listed or {}
        beside = {*row.get("anchors", ()), *(row.get("usual_idx") or ())}
        ahead = [view.ranks for view in self._views if view is not None]
        known = {*of, *beside, *(item for ranks in ahead for item in ranks)} - {-1}
        rows = lake.where(self._layout, tables.ITEMS, "item_idx", sorted(known), as_of=self._catalogue_day())
        self._items = {row["item_idx"]: row for row in rows.to_pylist()}

    @property
    def listed(self) -> list[int]:
        """The list of the night."""
        return list(self._now.listed["item_idx"]) if self._now.listed else []

    @property
    def listed_before(self) -> list[int]:
        """The list of the night before."""
        return list(self._then.listed["item_idx"]) if self._then and self._then.listed else []

    def explain(self, item: int) -> ItemExplanation:
        """One item, whether in the list or not."""
        place = self.listed.index(item) + 1 if item in self.listed else None
        rank, served = self._now.ranks.get(item), self.served.items if self.served else []
        shap = self._now.contributions([item]).get(item)
        told, source, anchor = self._reason(place)
        item_id = self._id(item)
        return ItemExplanation(
            item_id=item_id,
            title=self._items.get(item, {}).get("title"),
            place=place,
            place_served=served.index(item_id) + 1 if item_id in served else None,
            ranker_rank=rank,
            ranker_score=float(shap.sum()) if shap is not None else None,
            base=float(shap[-1]) if shap is not None else None,
            reason=told,
            source=source,
            anchor=anchor,
            sources=self._now.opinions(item),
            contributions=self._contributions(item, shap),
            stages=[
                *self._whose_list(),
                *_stages(place, rank, len(self._now.ranks), is_explored=item in self._now.explored),
            ],
            recorded=self._recorded(item),
            nearest=[] if rank is not None else self._now.nearest(item),
            movement=self._movement(item),
        )

    def _whose_list(self) -> list[str]:
        """Where a source's lists are published, that the ranker's rank did not count."""
        if self._now.system == OURS:
            return []
        return [f"the list is that of source {self._now.system}, which the ranker did not beat; its rank did not count"]

    def _reason(self, place: int | None) -> tuple[str | None, str | None, str | None]:
        row = self._now.listed
        if place is None or row is None:
            return None, None, None
        code, anchor = row["reasons"][place - 1], row["anchors"][place - 1]
        names = self._settings.reasons
        source = names[code] if code < len(names) else None
        title = self._items.get(anchor, {}).get("title") if anchor >= 0 else None
        category = self._items.get(row["item_idx"][place - 1], {}).get("category")
        told = reasons.render(source or "", anchor_title=title, segment=row["segment"], category=category)
        return told, source, title or (self._id(anchor) if anchor >= 0 else None)

    def _contributions(self, item: int, shap: np.ndarray | None) -> list[Contribution]:
        if shap is None:
            return []
        values = self._now.features[self._now.position[item]]
        order = np.argsort(-np.abs(shap[:-1]), kind="stable")[: self._n_features]
        return [
            Contribution(feature=self._names[n], value=_known(values[n]), contribution=float(shap[n]))
            for n in order
            if shap[n] != 0
        ]

    def _movement(self, item: int) -> Movement:
        before, now = self._views
        if now is None:
            raise InputMissing(
                "The user has no own list.", where=str(self._now.as_of), todo="Ask for a user who has one."
            )
        made = moved(item, before, now, self._name)
        was, place = before.place(item) if before else None, now.place(item)
        rises = place is not None and (was is None or place < was)
        return Movement(
            kind=made.kind,
            place_before=was,
            place_now=place,
            why=made.why,
            changes=self._changes(item, rises=rises) if made.is_by_score else [],
        )

    def _changes(self, item: int, *, rises: bool) -> list[Change]:
        """The features that moved a candidate of both nights most, in the direction it moved."""
        then = self._then
        if then is None or item not in then.position or item not in self._now.position:
            return []
        before, now = then.contributions([item])[item], self._now.contributions([item])[item]
        if len(before) != len(now):
            return []
        old, new = then.features[then.position[item]], self._now.features[self._now.position[item]]
        gain = now[:-1] - before[:-1]
        order = np.argsort(-gain if rises else gain, kind="stable")[:_CHANGES]
        return [
            Change(feature=self._names[n], before=_known(old[n]), now=_known(new[n]), change=float(gain[n]))
            for n in order
            if (gain[n] > 0) == rises and gain[n] != 0
        ]

    def _recorded(self, item: int) -> dict[str, Any]:
        """Values beside an item in `ranked` and `top_n_lists`, whatever columns these have."""
        found: dict[str, Any] = {}
        for name, row in (("ranked", self._now.ranked), ("top_n_lists", self._now.listed)):
            if row is None or item not in row["item_idx"]:
                continue
            at, n = row["item_idx"].index(item), len(row["item_idx"])
            beside = {key: value for key, value in row.items() if isinstance(value, list) and len(value) == n}
            for key in beside.keys() - _OWN_COLUMNS:
                value = beside[key][at]
                found[f"{name}.{key}"] = self._id(value) if key.endswith("_idx") and value >= 0 else value
        return dict(sorted(found.items()))

    def _name(self, item: int) -> str:
        return self._items.get(item, {}).get("title") or self._id(item)

    def _id(self, item: int) -> str:
        return str(self._items.get(item, {}).get("item_id", f"item {item}"))

    def _catalogue_day(self) -> dt.date | None:
        days = lake.dates(self._layout, tables.ITEMS)
        return max((day for day in days if day <= self._now.as_of), default=min(days, default=None))


def _stages(place: int | None, rank: int | None, n_candidates: int, *, is_explored: bool) -> list[str]:
    if is_explored:
        ranked = "no candidate" if rank is None else f"ranked {rank} of {n_candidates} candidates"
        return [f"{ranked}, drawn into a slot that explores at place {place}"]
    if rank is None:
        return ["no candidate: the list was filled up with popular items"] if place is not None else []
    if place is None:
        return [f"ranked {rank} of {n_candidates} candidates, not in the list"]
    moved_to = f"the stages after the ranker moved it to place {place}" if place != rank else f"place {place}"
    return [f"ranked {rank} of {n_candidates} candidates, {moved_to}"]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
