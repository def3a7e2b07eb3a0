"""One user on one night: candidates, features, ranker and list, read from tables and artifacts without Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from contracts import tables
from contracts.days import day_number
from contracts.errors import InputInvalid, InputMissing
from contracts.exploration_section import EXPLORED
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.evaluation import choosing
from jobs.explaining.movement import View
from jobs.explaining.result import Nearest, SourceScore
from models import artifact, candidates, ranker, ranking_features
from models.candidates import CandidateBlock
from models.measures import OURS
from models.ragged import Bool, Float32, rank_within
from models.sources import registry
from models.sources.als import Als
from models.sources.base import Source, is_new
from models.sources.registry import Catalogue, Folders
from models.user_block import USER_NUMBERS, UserBlock, read_block

KINDS: Final = ("item_arrays", "als", "neighbours")


class UserNight:
    """What is known of one user and placement as of a date."""

    def __init__(self, layout: Layout, settings: Settings, as_of: dt.date, user_idx: int, placement: str) -> None:
        """Nothing is read before it is asked for."""
        self.as_of, self.placement, self.user_idx = as_of, placement, user_idx
        self._layout, self._settings = layout, settings
        self._wanted = settings.placements[placement]
        self.is_new_only = not (self._wanted.repeats and settings.shop.repeats)

    @cached_property
    def system(self) -> str:
        """Whose lists the placement had: `two_stage`, or a source."""
        choices = choosing.read(self._layout, self.as_of)
        return choices.systems.get(self.placement, OURS) if choices else OURS

    @cached_property
    def listed(self) -> dict[str, Any] | None:
        """The row of `top_n_lists`, None for a user without an own list."""
        return self._row(tables.TOP_N_LISTS)

    @cached_property
    def ranked(self) -> dict[str, Any] | None:
        """The row of `ranked`."""
        return self._row(tables.RANKED)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The artifacts of the date.

        Raises:
            InputMissing: one of them is not there.
        """
        folders = [self._layout.artifact(kind, self.as_of) for kind in KINDS]
        for kind, folder in zip(KINDS, folders, strict=True):
            if not folder.is_dir():
                raise InputMissing(
                    f"There is no artifact {kind} as of {self.as_of}.",
                    where=str(folder),
                    todo="Ask about a night whose artifacts are kept.",
                )
        return Catalogue(Folders(*folders), self._settings.candidates)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The sources of the date."""
        return registry.build(self.catalogue)

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """The user's history, features and candidates in one row, as the night's kernels saw it.

        Raises:
            InputMissing: one of them is not there.
        """
        columns: dict[str, pa.Array] = {}
        for table in (tables.USER_FEATURES, tables.HISTORIES, tables.CANDIDATES):
            rows = lake.where(self._layout, table, "user_idx", [self.user_idx], as_of=self.as_of)
            if not rows.num_rows and table is not tables.USER_FEATURES:
                raise lake.missing(self._layout, table, self.as_of)
            for name in rows.column_names:
                renamed = "proposed_idx" if table is tables.CANDIDATES and name == "item_idx" else name
                columns[renamed] = rows[name].combine_chunks() if rows.num_rows else pa.nulls(1)
        for name in USER_NUMBERS:
            columns.setdefault(name, pa.nulls(1, pa.float32()))
        columns["segment"] = columns.get("segment", pa.nulls(1, pa.string())).cast(pa.string()).fill_null("all")
        made = pa.table(columns).combine_chunks()
        return made.to_batches()[0]

    @cached_property
    def block(self) -> UserBlock:
        """The user as a block of one."""
        return read_block(self.batch, self.catalogue.items.n_items)

    @cached_property
    def proposed(self) -> CandidateBlock:
        """The candidates that the placement may show.

        Raises:
            InputInvalid: they were made with other sources or scorers than the settings have.
        """
        wanted, n_made = self._settings.candidates, len(self.batch.column("proposed_idx")[0])
        n, n_scorers = len(wanted.sources), len(wanted.scorers)
        widths = [len(self.batch.column(name)[0].as_py()) for name in ("source_ranks", "source_scores")]
        if widths != [2 * n * n_made, 4 * (n + n_scorers) * n_made]:
            raise InputInvalid(
                f"The candidates as of {self.as_of} were made with other sources or scorers than the settings have.",
                where="candidates.sources, candidates.scorers",
                todo="Ask with the settings of that night: --config FILE.",
            )
        made = candidates.read(self.batch, n, n_scorers)
        shown: Bool = is_new(self.block, made.rows, made.items) if self.is_new_only else np.ones(len(made.rows), bool)
        return made.take(shown)

    @cached_property
    def booster(self) -> lgb.Booster:
        """The placement's booster.

        Raises:
            ArtifactCorrupt: it is absent or damaged.
        """
        return ranker.load(self._layout.artifact("ranker", self.as_of), f"night-{self.placement}")

    @cached_property
    def features(self) -> Float32:
        """The feature matrix of `proposed`."""
        return ranking_features.matrix(self.block, self.proposed, self.catalogue.items, today=day_number(self.as_of))

    @cached_property
    def position(self) -> dict[int, int]:
        """Row in `proposed` by item."""
        return {int(item): n for n, item in enumerate(self.proposed.items)}

    @cached_property
    def ranks(self) -> dict[int, int]:
        """The ranker's rank of each candidate, from 1, ties by lower item index."""
        if not len(self.proposed.items):
            return {}
        scores = np.asarray(self.booster.predict(self.features, raw_score=True, num_threads=1), dtype=np.float32)
        order, ranks = rank_within(self.proposed.rows, scores, self.proposed.items)
        return dict(zip(self.proposed.items[order].tolist(), ranks.tolist(), strict=True))

    def contributions(self, items: Iterable[int]) -> dict[int, np.ndarray]:
        """TreeSHAP of candidates: one value a feature, then the base; they sum to the ranker's score.

        Method: Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018.
        """
        wanted = [item for item in items if item in self.position]
        if not wanted:
            return {}
        rows = self.features[[self.position[item] for item in wanted]]
        made = np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=1))
        return dict(zip(wanted, made, strict=True))

    def opinions(self, item: int) -> list[SourceScore]:
        """Every source's score and rank of a candidate, best rank first, then scorers'; nothing of other items."""
        if item not in self.position:
            return []
        row, found, wanted = self.position[item], [], self._settings.candidates
        ranks = [*self.proposed.ranks[self.position[item]].tolist(), *[0] * len(wanted.scorers)]
        for column, source in enumerate((*wanted.sources, *wanted.scorers)):
            score, rank = float(self.proposed.scores[row, column]), ranks[column]
            found.append(SourceScore(source=source, score=None if np.isnan(score) else score, rank=rank or None))
        return sorted(found, key=lambda one: (one.rank is None, one.rank or 0))

    def nearest(self, item: int) -> list[Nearest]:
        """The sources that know an item and did not propose it, nearest first.

        Only `own` proposes what was bought, and nothing of that shows where a placement asks for new items.
        """
        is_bought = item in self.block.bought.item_idx
        if not self.is_allowed(item) or (is_bought and self.is_new_only):
            return []
        everything = np.flatnonzero(self.catalogue.allowed).astype(np.int32)
        rows = np.zeros(len(everything), dtype=np.int64)
        new, at = is_new(self.block, rows, everything), int(np.searchsorted(everything, item))
        found = []
        for name, source in self.sources.items():
            scores = np.where(new == new[at], source.score(self.block, rows, everything), np.nan)
            score = float(scores[at])
            if np.isnan(score) or (score <= 0 and not isinstance(source, Als)) or is_bought != (name == "own"):
                continue
            before = (scores > score) | ((scores == score) & (everything < item))
            wanted = self._settings.candidates
            proposes = wanted.max_own if name == "own" else wanted.per_source
            rank = int(np.count_nonzero(before)) + 1
            found.append(Nearest(source=name, score=score, rank=rank, proposes=proposes))
        return sorted(found, key=lambda one: one.rank / one.proposes)

    @property
    def explored(self) -> frozenset[int]:
        """Items of the list whose slot explores."""
        if self.listed is None:
            return frozenset()
        code = self._settings.reasons.index(EXPLORED)
        pairs = zip(self.listed["item_idx"], self.listed["reasons"], strict=True)
        return frozenset(item for item, reason in pairs if reason == code)

    def is_allowed(self, item: int) -> bool:
        """Whether the item may be recommended."""
        return item < self.catalogue.items.n_items and bool(self.catalogue.allowed[item])

    def view(self, of: Iterable[int]) -> View | None:
        """What movements between nights are told by; None without a list. Bans are looked up for the items `of`."""
        if self.listed is None:
            return None
        proposals = {
            item: tuple(
                (one.source, one.rank)
                for one in self.opinions(item)
                if one.rank is not None and self.system in {OURS, one.source}
            )
            for item in self.position
        }
        by_source = {item: found[0][1] for item, found in proposals.items() if found}
        listed = tuple(self.listed["item_idx"])
        return View(
            listed=listed,
            length=self._wanted.length,
            ranks=self.ranks if self.system == OURS else by_source,
            proposals=proposals,
            bought=frozenset(self.block.bought.item_idx.tolist()),
            banned=frozenset(item for item in of if not self.is_allowed(item)),
            is_new_only=self.is_new_only,
            capped=self._capped(listed),
            explored=self.explored,
            displaced=frozenset(self.listed.get("usual_idx") or ()) - set(listed),
            system=self.system,
        )

    def sha256(self) -> dict[str, str]:
        """The SHA-256 of each artifact of the date."""
        kinds = (*KINDS, "ranker")
        return {kind: artifact.sha256(self._layout.artifact(kind, self.as_of)) for kind in kinds}

    def _capped(self, listed: tuple[int, ...]) -> frozenset[int]:
        cap, codes = self._wanted.max_per_category, np.asarray(self.catalogue.items.codes["category"])
        if not cap:
            return frozenset()
        inside = [item for item in listed if item < len(codes)]
        counts = np.bincount(codes[inside][codes[inside] >= 0], minlength=int(codes.max(initial=-1)) + 1)
        full = [
            item for item in self.position if item not in listed and codes[item] >= 0 and counts[codes[item]] >= cap
        ]
        return frozenset(full)

    def _row(self, table: tables.Table) -> dict[str, Any] | None:
        rows = lake.where(self._layout, table, "user_idx", [self.user_idx], as_of=self.as_of).to_pylist()
        return next((row for row in rows if row["placement"] == self.placement), None)
