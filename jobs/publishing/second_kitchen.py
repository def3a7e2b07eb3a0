"""Lists made again by the second path, and how they differ from those of the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np

from contracts.layout import Layout
from contracts.placement_section import by_score_alone
from contracts.settings import Settings
from export.format.manifest import TWO_STAGE
from export.stores.base import UserLists
from jobs.publishing.parity_tally import Tally
from models import ranker, shelf
from models.parity import alike, factors, features, linear, stages
from models.parity.comparing import Found, compare
from models.parity.exploring import Exploring, exploring
from models.parity.inputs import Entry, Person, Shop
from models.parity.ordering import Ordering, ordering
from models.parity.ruling import PlainRule, ruling
from models.parity.stages import PlainContext
from models.ragged import Float32


@dataclass(frozen=True)
class SecondKitchen:
    """What makes lists the second time.

    Attributes:
        boosters: by placement.
        models: user and item factors by source.
        weights: of the scorer `ease`; None where it does not score.
        pool: of the scorer `alike`; None where it does not score.
        exploring: by placement.
        systems: by placement, whose lists the snapshot says they are.
        orderings: by placement.
        rules: by placement.
        usual: each user's list before exploration, by user and placement: where two orders are equally right, the
            one that was taken.
    """

    settings: Settings
    shop: Shop
    boosters: dict[str, lgb.Booster]
    models: dict[str, factors.Factors]
    weights: linear.Weights | None
    pool: alike.Pool | None
    exploring: dict[str, Exploring]
    systems: dict[str, str]
    orderings: dict[str, Ordering]
    rules: dict[str, list[PlainRule]]
    usual: dict[tuple[int, str], list[int]]

    @classmethod
    def of(
        cls,
        settings: Settings,
        layout: Layout,
        as_of: dt.date,
        shop: Shop,
        systems: dict[str, str],
        usual: dict[tuple[int, str], list[int]],
    ) -> SecondKitchen:
        """The boosters that serve and the factors of a date."""
        folder = layout.artifact("ranker", as_of)
        boosters = {name: ranker.load(folder, f"night-{name}") for name in settings.placements}
        taste = factors.load(layout.artifact("als", as_of), "als")
        models = {
            name: factors.load(layout.artifact("als", as_of), name) for name in factors.MODELS if name in shop.sources
        }
        near, wanted = layout.artifact("neighbours", as_of), settings.candidates
        weights = linear.load(near) if linear.SCORER in shop.scorers else None
        pool = alike.load(near, wanted.alike_neighbours) if alike.SCORER in shop.scorers else None
        shown = layout.artifact("exposure", as_of)
        explored = {
            name: exploring(settings.exploration, shop, name, shown, seed=settings.seed) for name in settings.placements
        }
        known = shelf.load(layout.artifact("shelf", as_of))
        orderings = {
            name: ordering(
                settings.objectives,
                placement if systems.get(name, TWO_STAGE) == TWO_STAGE else by_score_alone(placement),
                name,
                shop,
                known,
                taste,
            )
            for name, placement in settings.placements.items()
        }
        rules = {name: ruling(known, name) for name in settings.placements}
        return cls(settings, shop, boosters, models, weights, pool, explored, systems, orderings, rules, usual)

    def check(self, people: Sequence[Person], found: dict[str, UserLists | None], tally: Tally) -> None:
        """Counts how the lists of a block of users differ."""
        for person in people:
            for name, model in self.models.items():
                tally.add(factors.differences(person, self.shop, name, model))
            if self.weights is not None:
                tally.add(linear.differences(person, self.shop, self.weights))
            if self.pool is not None:
                tally.add(alike.differences(person, self.shop, self.pool))
        known: dict[tuple[str, ...], list[Float32]] = {}
        for placement, booster in self.boosters.items():
            names = tuple(booster.feature_name())
            if names not in known:
                known[names] = [features.matrix(person, self.shop, names) for person in people]
            for person, entries, context in self._scored(people, known[names], placement):
                lists = found[person.user_id]
                made = stages.list_of(entries, replace(context, seen=self._seen(person, placement)))
                tally.n_lists += 1
                tally.n_places += len(made)
                self._compare(person, placement, (entries, made), lists, context, tally)

    def _seen(self, person: Person, placement: str) -> dict[int, int]:
        """The place of each item of the list before exploration."""
        return {item: place for place, item in enumerate(self.usual.get((person.user_idx, placement), []))}

    def _scored(
        self, people: Sequence[Person], known: Sequence[Float32], name: str
    ) -> Iterator[tuple[Person, list[Entry], PlainContext]]:
        placement, booster = self.settings.placements[name], self.boosters[name]
        contexts = [
            PlainContext(
                person,
                self.shop,
                placement,
                placement.repeats and self.settings.shop.repeats,
                self.exploring[name],
                self.orderings[name],
                self.rules[name],
            )
            for person in people
        ]
        system = self.systems.get(name, TWO_STAGE)
        if system != TWO_STAGE:
            for context in contexts:
                yield context.person, stages.of_source(context, self.shop.sources.index(system)), context
            return
        ranked = [
            [at for at, item in enumerate(context.person.items.tolist()) if stages.is_ranked(item, context)]
            for context in contexts
        ]
        rows = [matrix[at] for matrix, at in zip(known, ranked, strict=True)]
        scores = _predicted(booster, rows, self.settings.threads)
        for context, at, one in zip(contexts, ranked, scores, strict=True):
            yield context.person, stages.scored(context, at, one.tolist()), context

    def _compare(
        self,
        person: Person,
        placement: str,
        made: tuple[list[Entry], list[Entry]],
        lists: UserLists | None,
        context: PlainContext,
        tally: Tally,
    ) -> None:
        entries, expected = made
        rows = lists.rows(placement, max(len(expected), 1) + 1) if lists is not None else None
        shown = Found(
            items=rows.items if rows else (), scores=rows.scores if rows else (), sources=rows.sources if rows else ()
        )
        may = [*stages.remove(entries, context), *expected]
        known = {str(self.shop.item_ids[entry.item]): entry.score for entry in may}
        result = compare(person.user_id, placement, expected, shown, self.shop, known)
        tally.n_tied += result.n_tied
        tally.add(result.differences)


def _predicted(booster: lgb.Booster, rows: list[Float32], threads: int) -> list[Float32]:
    """LightGBM's own scores, float32, of each user's rows."""
    matrix = np.concatenate(rows)
    if not len(matrix):
        return [np.zeros(0, dtype=np.float32) for _ in rows]
    scores = np.asarray(booster.predict(matrix, raw_score=True, num_threads=threads), dtype=np.float32)
    return np.split(scores, np.cumsum([len(part) for part in rows])[:-1])
