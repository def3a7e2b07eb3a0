"""Bit tables of a booster: for each feature and interval of its values, the leaves that every tree can still reach."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from contracts.errors import LarderError
from models.ragged import AnyArray, Float32, Int64

MAX_LEAVES: Final = 64
# Words of a row are padded to whole cache lines, cuts to whole strides of the kernel's loop.
_LINE_BYTES: Final = 64
_STRIDE: Final = 4
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_ZERO, _MISSING_NAN = 1, 2
# LightGBM reads numbers up to this size as zero before it looks at any split.
_ZERO: Final = np.float32(1e-35)


class BoosterUnfit(LarderError):
    """A booster whose trees do not fit the tables; `Booster.predict` alone can score it."""


@dataclass(frozen=True, slots=True)
class TreeTables:
    """A booster as arrays. A value's interval is the number of the feature's cuts that are less than it.

    Attributes:
        n_features: columns of a feature matrix.
        used: int64, the columns that some tree splits on.
        cuts: float32, those of all used features, each padded with +inf to a multiple of four.
        first_cuts: int64, position of each used feature's first cut, and the end of the last.
        first_words: int64, each used feature's first row in `words`, and the end of the last; NaN has the last row.
        words: uint32 (trees of at most 32 leaves) or uint64, shape (intervals and NaN of all used features, trees and
            padding): bit i is set while leaf i, counted from the left, can be reached.
        leaves: float64, shape (trees, most leaves of a tree): values from the left.
    """

    n_features: int
    used: Int64
    cuts: Float32
    first_cuts: Int64
    first_words: Int64
    words: AnyArray
    leaves: AnyArray


@dataclass(frozen=True, slots=True)
class _Split:
    """One split: `right` of a value clears the bits that `mask` lacks."""

    tree: int
    mask: int
    threshold: float
    kind: int
    categories: frozenset[int]

    @property
    def missing(self) -> int:
        return self.kind >> 2 & 3

    def cuts(self) -> list[np.float32]:
        """The largest float32 before each change of the split's answer."""
        if not self.kind & _CATEGORICAL:
            return [_at_most(self.threshold)]
        # A category is the whole part of the value, so category 0 begins after -1.
        ends = {edge for category in self.categories for edge in (category, category + 1)}
        return [_at_most(-1.0) if edge == 0 else _less_than(edge) for edge in ends]

    def right(self, values: AnyArray) -> AnyArray:
        """Which float64 values go right, as LightGBM decides."""
        unknown = np.isnan(values)
        if self.kind & _CATEGORICAL:
            whole = np.trunc(np.where(unknown, -1.0, values))
            return ~np.isin(whole, list(self.categories))
        if self.missing == _MISSING_NAN:
            default = unknown
        else:
            values = np.where(unknown, 0.0, values)
            default = (values == 0) & (self.missing == _MISSING_ZERO)
        return np.where(default, not self.kind & _DEFAULT_LEFT, ~(values <= self.threshold))


def build(booster: lgb.Booster) -> TreeTables:
    """The tables of a booster; a tenth of a second for 130 trees of 31 leaves.

    Raises:
        BoosterUnfit: linear trees, several classes, an averaged forest or a tree of more than 64 leaves.
    """
    head, *trees = booster.model_to_string().split("end of trees")[0].split("\nTree=")
    about = _fields(head)
    if "average_output" in head.splitlines() or about["num_tree_per_iteration"] != "1":
        raise _unfit("its score is not one sum over all trees")
    splits: dict[int, list[_Split]] = defaultdict(list)
    values = [_read_tree(number, _fields(text), splits) for number, text in enumerate(trees)]
    width = max(map(len, values), default=1)
    leaves = np.zeros((len(values), width))
    for number, row in enumerate(values):
        leaves[number, : len(row)] = row
    bits = np.uint32 if width <= np.iinfo(np.uint32).bits else np.uint64
    return _tables(int(about["max_feature_idx"]) + 1, splits, leaves, np.dtype(bits))


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _unfit(reason: str) -> BoosterUnfit:
    return BoosterUnfit(
        f"The booster does not fit bit tables: {reason}.",
        where="models/tree_tables.py",
        todo="Score it with Booster.predict, or train with at most 64 leaves and without linear trees.",
    )


def _read_tree(number: int, tree: dict[str, str], splits: dict[int, list[_Split]]) -> list[float]:
    """The leaf values from the left; the tree's splits are added by feature."""
    n_leaves = int(tree["num_leaves"])
    if n_leaves > MAX_LEAVES:
        raise _unfit(f"tree {number} has {n_leaves} leaves")
    if tree.get("is_linear", "0") != "0":
        raise _unfit(f"tree {number} is linear")
    values = [float(value) for value in tree["leaf_value"].split()]
    if n_leaves == 1:
        return values[:1]
    children = [[int(child) for child in tree[side].split()] for side in ("left_child", "right_child")]
    order, spans = _from_left(*children)
    kinds = [int(kind) for kind in tree["decision_type"].split()]
    thresholds = [float(threshold) for threshold in tree["threshold"].split()]
    for node, feature in enumerate(tree["split_feature"].split()):
        first, past = spans[node]
        mask = ~(((1 << (past - first)) - 1) << first) & (1 << MAX_LEAVES) - 1
        categories = _categories(tree, int(thresholds[node])) if kinds[node] & _CATEGORICAL else frozenset[int]()
        splits[int(feature)].append(_Split(number, mask, thresholds[node], kinds[node], categories))
    return [values[leaf] for leaf in order]


def _from_left(left: list[int], right: list[int]) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """Leaf numbers from the left, and for each node the positions that its left side takes."""
    order: list[int] = []
    spans: dict[int, tuple[int, int]] = {}

    def walk(child: int) -> None:
        if child < 0:
            order.append(~child)
            return
        first = len(order)
        walk(left[child])
        spans[child] = first, len(order)
        walk(right[child])

    walk(0)
    return order, spans


def _categories(tree: dict[str, str], position: int) -> frozenset[int]:
    first, past = (int(bound) for bound in tree["cat_boundaries"].split()[position : position + 2])
    sets = [int(bits) for bits in tree["cat_threshold"].split()[first:past]]
    return frozenset(32 * at + bit for at, bits in enumerate(sets) for bit in range(32) if bits >> bit & 1)


def _at_most(value: float) -> np.float32:
    """The largest float32 that is not above a float64."""
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near


def _less_than(value: float) -> np.float32:
    near = _at_most(value)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) == value else near


def _tables(n_features: int, splits: dict[int, list[_Split]], leaves: AnyArray, kind: np.dtype[Any]) -> TreeTables:
    line = _LINE_BYTES // kind.itemsize
    width = max(-(-len(leaves) // line), 1) * line
    used = sorted(splits)
    made = [_intervals(splits[feature], width, kind) for feature in used]
    cuts = [np.append(real, np.full(-len(real) % _STRIDE, np.inf, dtype=np.float32)) for real, _ in made]
    words = [rows for _, rows in made]
    return TreeTables(
        n_features,
        np.array(used, dtype=np.int64),
        np.concatenate([*cuts, np.zeros(0, dtype=np.float32)]),
        _starts(cuts),
        _starts(words),
        np.concatenate([*words, np.zeros((0, width), dtype=kind)]),
        leaves,
    )


def _starts(parts: list[AnyArray]) -> Int64:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _intervals(splits: list[_Split], width: int, kind: np.dtype[Any]) -> tuple[Float32, AnyArray]:
    """Ascending cuts of one feature; the words of the intervals that they make, and of NaN last.

    An interval ends with its cut, so one value, its end, answers for all of it.
    """
    zero = [np.nextafter(-_ZERO, np.float32(-np.inf)), _ZERO]
    cuts = np.unique(np.array([cut for split in splits for cut in split.cuts()] + zero, dtype=np.float32))
    ends = np.concatenate([cuts, np.array([np.inf, np.nan], dtype=np.float32)])
    values = np.where(np.abs(ends) <= _ZERO, np.float32(0), ends).astype(np.float64)
    words = np.full((len(values), width), np.iinfo(kind).max, dtype=kind)
    for split in splits:
        words[split.right(values), split.tree] &= kind.type(split.mask & np.iinfo(kind).max)
    changes = (words[:-2] != words[1:-1]).any(axis=1)
    return cuts[changes], np.concatenate([words[:-2][changes], words[-2:]])
