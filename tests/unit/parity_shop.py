"""A random shop as both paths see it: blocks and arrays for the kernels, plain rows for the second path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from scipy import sparse

from contracts.exploration_section import EXPLORED
from contracts.rules_section import PINNED, Block, Boost, Bury, MinMargin, Pin, Quota, Region, Rule
from contracts.settings import Exploration, Objectives, Placement, Ranker
from models import exploration, objectives, ranker, ranking_features, stages
from models.candidates import CandidateBlock, main_sources
from models.histories import PAIR_COLUMNS
from models.item_arrays import CODES, NUMBERS, ItemArrays
from models.objectives import Aims
from models.parity.exploring import Exploring
from models.parity.factors import Factors
from models.parity.inputs import Person, Shop
from models.parity.ordering import Ordering, ordering
from models.ragged import AnyArray, Float32, Int32, rank_within
from models.rerank import Lists
from models.shelf import Shelf
from models.sources import alike
from models.sources.alike import AlikeUsers
from models.sources.base import is_new
from models.user_block import USER_NUMBERS, UserBlock, read_block

SOURCES: Final = ("own", "als", "popular")
SCORERS: Final = ("ease", "alike")
REASONS: Final = (*SOURCES, EXPLORED, PINNED)
N_USERS: Final = 40
N_NEAREST: Final = 6
N_ITEMS: Final = 60
TODAY: Final = 20_000
UNKNOWN: Final = {"repeat_gap_days", "age_days", "price", "price_change", "basket_gap_days", "mean_price"}
"""Columns that may be null."""
RULES: Final[tuple[Rule, ...]] = (
    Pin(name="second", item="", position=2), Pin(name="first", item="", position=1),
    Pin(name="late", item="", position=1),
    Quota(name="few", items=("",), at_most=1, first=5), Quota(name="some", items=("",), at_least=2, first=5),
    Boost(name="up", items=("",), factor=3.0), Bury(name="down", items=("",), factor=0.25),
    Block(name="gone", items=("",)), Region(name="here", items=("",), segments=("b",)),
    MinMargin(name="poor", margin=0.2),
)  # fmt: skip
LISTS: Final = ("item_idx", *[name for name in PAIR_COLUMNS if name != "item_idx"])


@dataclass(frozen=True)
class RandomShop:
    """Users, items and candidates drawn from a seed; a few of everything is unknown, and some items come never."""

    seed: int
    has_rules: bool = False

    def rng(self, what: int) -> np.random.Generator:
        """Where one part of the shop is drawn from."""
        return np.random.default_rng((self.seed, what))

    @cached_property
    def numbers(self) -> dict[str, Float32]:
        """Item features; counts are whole, a fifth of the others is unknown."""
        rng = self.rng(0)
        counts = [name for name in NUMBERS if "buyers" in name]
        made = {name: rng.integers(0, 9, N_ITEMS).astype(np.float32) for name in counts}
        for name in NUMBERS:
            if name not in made:
                values = rng.gamma(2.0, 20.0, N_ITEMS).astype(np.float32)
                made[name] = np.where((rng.random(N_ITEMS) < 0.2) & (name in UNKNOWN), np.float32("nan"), values)
        return {name: made[name] for name in NUMBERS}

    @cached_property
    def texts(self) -> dict[str, list[str | None]]:
        """Categories of few values; no item has a brand."""
        rng = self.rng(1)
        made = {name: [f"c{n}" if n else None for n in rng.integers(0, 4, N_ITEMS).tolist()] for name in CODES}
        return {**made, "brand": [None] * N_ITEMS}

    @cached_property
    def items(self) -> ItemArrays:
        """The items as the kernels see them."""
        codes = {}
        for name, values in self.texts.items():
            known = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}))}
            codes[name] = np.array([-1 if v is None else known[v] for v in values], dtype=np.int32)
        return ItemArrays(self.numbers, codes, self.rng(2).random(N_ITEMS) < 0.9)

    @cached_property
    def shop(self) -> Shop:
        """The items as the second path sees them."""
        return Shop(
            item_ids=[f"item-{i}" for i in range(N_ITEMS)], numbers=self.numbers, texts=self.texts,
            is_recommendable=np.asarray(self.items.is_recommendable), sources=SOURCES, scorers=SCORERS, reasons=REASONS,
            min_item_buyers=1, arrival_days=35, today=TODAY,
        )  # fmt: skip

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row a user, as `histories` beside `user_features`; some bought nothing that stands."""
        return [self._row(user) for user in range(N_USERS)]

    def _row(self, user: int) -> dict[str, Any]:
        rng = self.rng(1000 + user)
        n = int(rng.integers(0, 15))
        row: dict[str, Any] = {"user_idx": user, "segment": "b" if user % 3 else "all"}
        for name in USER_NUMBERS:
            row[name] = None if name in UNKNOWN and rng.random() < 0.2 else float(np.float32(rng.gamma(2.0, 10.0)))
        row |= {"n_baskets": int(rng.integers(12, 30)), "n_items": int(rng.integers(1, 30))}
        baskets = rng.integers(0, 4, n)
        first_days, first_baskets = TODAY - rng.integers(40, 90, n), rng.integers(1, 9, n)
        row |= {
            "item_idx": np.sort(rng.choice(N_ITEMS + 3, n, replace=False)),  # the last three are not known yet
            "baskets": baskets, "first_days": first_days, "last_days": first_days + 9 * np.maximum(baskets - 1, 0),
            "first_baskets": first_baskets, "last_baskets": first_baskets + 2 * np.maximum(baskets - 1, 0),
            "quantities": rng.integers(-1, 5, n).astype(np.float32), "first_day": TODAY - 99, "last_day": TODAY - 1,
        }  # fmt: skip
        for name in LISTS:
            if name not in row:
                row[name] = rng.gamma(2.0, 1.0, n).astype(np.float32)
        return row

    @cached_property
    def block(self) -> UserBlock:
        """The users as the kernels see them."""
        columns: dict[str, pa.Array] = {}
        ints = {name for name in LISTS if np.asarray(self.rows[0][name]).dtype.kind == "i"}
        for name in LISTS:
            kind = pa.list_(pa.int32() if name in ints else pa.float32())
            columns[name] = pa.array([np.asarray(row[name]).tolist() for row in self.rows], kind)
        for name in ("user_idx", "n_baskets", "first_day", "last_day"):
            columns[name] = pa.array([row[name] for row in self.rows], pa.int32())
        for name in USER_NUMBERS:
            if name != "n_baskets":
                columns[name] = pa.array([row[name] for row in self.rows], pa.float32())
        columns["segment"] = pa.array([row["segment"] for row in self.rows])
        return read_block(pa.RecordBatch.from_pydict(columns), N_ITEMS)

    @cached_property
    def people(self) -> list[Person]:
        """The users as the second path sees them."""
        return [self._person(row) for row in self.rows]

    def _person(self, row: dict[str, Any]) -> Person:
        rng, known = self.rng(2000 + int(row["user_idx"])), row["item_idx"] < N_ITEMS
        n = int(rng.integers(0, 30))
        ranks = rng.integers(0, 20, (n, len(SOURCES))).astype(np.int16)
        items = np.sort(rng.choice(N_ITEMS, n, replace=False)).astype(np.int32)
        scores = rng.normal(size=(n, len(SOURCES) + len(SCORERS))).astype(np.float32)
        scores = np.where(rng.random(scores.shape) < 0.2, np.float32("nan"), scores)
        scores[:, 1] = self.factors[1][items] @ self.factors[0][row["user_idx"]]
        scores[:, len(SOURCES)] = self._linear(row)[items]
        scores[:, len(SOURCES) + 1] = self._alike[row["user_idx"], items]
        return Person(
            user_id=f"user-{row['user_idx']}", user_idx=row["user_idx"],
            numbers={name: np.float32("nan" if row[name] is None else row[name]) for name in USER_NUMBERS},
            pairs={name: np.asarray(row[name])[known] for name in LISTS},
            items=items, scores=scores, ranks=ranks, segment=row["segment"],
        )  # fmt: skip

    def _linear(self, row: dict[str, Any]) -> Float32:
        """The user's score of every item by the weights: NaN for items outside the model."""
        members, weights = self.weights
        stands = (row["baskets"] > 0) & (row["quantities"] > 0)
        scores = np.full(N_ITEMS, np.nan, dtype=np.float32)
        scores[members] = np.isin(members, row["item_idx"][stands]).astype(np.float32) @ weights
        return scores

    @cached_property
    def _alike(self) -> Float32:
        """Every user's score of every item by similar users, shape (N_USERS, N_ITEMS)."""
        rows, items = np.divmod(np.arange(N_USERS * N_ITEMS, dtype=np.int64), N_ITEMS)
        made = AlikeUsers(*self.pool, N_NEAREST).score(self.block, rows, items.astype(np.int32))
        return made.reshape(N_USERS, N_ITEMS)

    @cached_property
    def pool(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix, Int32, Float32]:
        """The first half of the users: profiles, what they bought lately, who they are; and how rare items are."""
        bought = self.block.bought.take(self.block.bought.rows < N_USERS // 2)
        shape, rarity = (N_USERS // 2, N_ITEMS), self.rng(7).random(N_ITEMS).astype(np.float32)
        profiles = alike.profiles_of(bought.rows, bought.item_idx, bought.decayed_baskets, rarity, shape)
        recent = sparse.csr_matrix((self.rng(8).random(shape) < 0.2).astype(np.float32))
        return profiles, recent, np.arange(N_USERS // 2, dtype=np.int32), rarity

    @cached_property
    def weights(self) -> tuple[Int32, Float32]:
        """Items of the scorer's model, two thirds of them, and its weights."""
        members = np.sort(self.rng(6).choice(N_ITEMS, 40, replace=False)).astype(np.int32)
        return members, self.rng(6).normal(size=(40, 40)).astype(np.float32)

    @cached_property
    def factors(self) -> tuple[Float32, Float32]:
        """Of the users and the items, by ALS."""
        rng = self.rng(4)
        return rng.normal(size=(N_USERS, 8)).astype(np.float32), rng.normal(size=(N_ITEMS, 8)).astype(np.float32)

    @cached_property
    def candidates(self) -> CandidateBlock:
        """The candidates as the kernels see them."""
        people = self.people
        rows = np.repeat(np.arange(N_USERS), [len(person.items) for person in people])
        items, scores, ranks = (np.concatenate([getattr(p, f) for p in people]) for f in ("items", "scores", "ranks"))
        return CandidateBlock(rows, items, np.zeros(len(items), np.int32), scores, ranks)

    @cached_property
    def features(self) -> Float32:
        """The kernels' matrix."""
        return ranking_features.matrix(self.block, self.candidates, self.items, today=TODAY)

    def booster(self, seed: int = 0) -> lgb.Booster:
        """A small ranker of random labels."""
        labels = np.random.default_rng(seed).integers(0, 2, len(self.features))
        examples = ranker.Examples(self.features, labels, np.bincount(self.candidates.rows, minlength=N_USERS))
        small = Ranker(n_estimators=20, num_leaves=8, min_data_in_leaf=5, lambda_l2=0.0)
        text = ranker.fit(ranker.Lesson([examples], small), ranking_features.names(SOURCES, SCORERS), seed=1, threads=1)
        return lgb.Booster(model_str=text)

    def made(
        self,
        placement: Placement,
        booster: lgb.Booster,
        features: AnyArray | None = None,
        *,
        is_explored: bool = True,
    ) -> list[Lists]:
        """Each user's list by the kernels, from these features."""
        matrix = self.features if features is None else features
        new = is_new(self.block, self.candidates.rows, self.candidates.items)
        shown = np.ones(len(new), dtype=bool) if placement.repeats else new
        chosen = self.candidates.take(shown)
        scores = ranker.predict(ranker.scorer(booster), matrix[shown])
        order, ranks = rank_within(chosen.rows, scores, chosen.items)
        order = order[ranks <= 4 * placement.length]
        scored = Lists(chosen.rows[order], chosen.items[order], scores[order], main_sources(chosen.ranks)[order])
        context = self._context(placement)
        lists = stages.lists_of(scored, context)
        policy = exploration.Policy(
            share=self.exploring.share, first_slot=4, last_slot=5, floor=0.2, items_per_slot=3,
            reason=REASONS.index(EXPLORED), key=self.exploring.key,
        )  # fmt: skip
        may, is_open = stages.remove(scored, context), np.array(self.exploring.is_open)
        if is_explored:
            fixed = stages.fixed(context)
            lists = exploration.explore(lists, may, self.block.user_idx, is_open, policy, fixed).lists
        return [lists.take(lists.rows == row) for row in range(N_USERS)]

    @cached_property
    def exploring(self) -> Exploring:
        """Four in five of the slots 4 and 5 explore half of the items."""
        settings = Exploration(share={"home": 0.8}, first_slot=4, last_slot=5, floor=0.2, items_per_slot=3)
        key = exploration.draw_key(self.seed, TODAY, "home")
        return Exploring(settings, 0.8, key, (self.rng(3).random(N_ITEMS) < 0.5).tolist())

    @cached_property
    def shelf(self) -> Shelf:
        """Margins, some of them unknown, and how many lists of `home` show an item."""
        rng = self.rng(4)
        margins = np.where(rng.random(N_ITEMS) < 0.3, np.nan, rng.integers(1, 9, N_ITEMS) / 10).astype(np.float32)
        rules = [
            (rule, np.flatnonzero(rng.random(N_ITEMS) < 0.15).astype(np.int32)) for rule in RULES if self.has_rules
        ]
        alone = [(rule, items[:1] if isinstance(rule, Pin) else items) for rule, items in rules]
        return Shelf(margins, dict.fromkeys(("home", "discover"), rng.integers(0, 30, N_ITEMS)), tuple(alone))

    def ordering(self, placement: Placement) -> Ordering:
        """What lists are ordered by, as the second path sees it."""
        model = Factors(*self.factors)
        return ordering(Objectives(), placement, "home", self.shop, self.shelf, model)

    def _aims(self, placement: Placement, allowed: AnyArray) -> Aims:
        known = Objectives()
        return objectives.aims_of(
            known.weights(placement.objectives),
            margin=objectives.margin_of(self.shelf.margins, allowed),
            spread=objectives.spread_of(self.shelf.reach["home"], int(allowed.sum())),
            likeness=objectives.likeness_of(self.items, self.factors[1], known.similarity),
            span_places=known.span_places,
        )

    def _context(self, placement: Placement) -> stages.StageContext:
        buyers, ages = self.numbers["buyers"], self.numbers["age_days"]
        allowed = np.asarray(self.items.is_recommendable) & ((buyers >= 1) | (np.nan_to_num(ages, nan=np.inf) <= 35))
        keys = [-self.numbers[name] for name in ("buyers", "buyers_84", "buyers_28")]
        order = np.lexsort((np.arange(N_ITEMS), *keys))
        return stages.StageContext(
            block=self.block, items=self.items, allowed=allowed, popular=order[allowed[order]].astype(np.int32),
            placement=placement, may_repeat=placement.repeats, fill_reason=SOURCES.index("popular"),
            aims=self._aims(placement, allowed), rules=self.shelf.rules_of("home"), pinned_reason=REASONS.index(PINNED),
        )  # fmt: skip


def shifted(shop: Shop) -> Shop:
    """The same shop with an item dictionary shifted by one."""
    ids = list(shop.item_ids)
    return replace(shop, item_ids=[*ids[1:], ids[0]])
