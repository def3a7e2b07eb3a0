"""The shop's rules applied to the lists of a block."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from contracts.rules_section import AnyRule, Block, Boost, Bury, MinMargin, Pin, Quota, Region
from models.ragged import AnyArray, Bool, Float32, Int32, Int64, offsets_of
from models.rerank import Lists

REMOVING = (Block, MinMargin, Region)
WEIGHING = (Boost, Bury)


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule and the items that it is about.

    Attributes:
        rule: as the settings have it.
        is_target: by item index; for a minimum margin the items known to have less.
    """

    rule: AnyRule
    is_target: Bool


def forbids(rule: RuleInForce, rows: Int64, items: Int32, segments: list[str]) -> Bool:
    """True where a rule that removes forbids the item to the user of that row.

    Args:
        rows: the user's row.
        items: item indices.
        segments: the segment of each row.
    """
    forbidden: Bool = rule.is_target[items]
    if isinstance(rule.rule, Region):
        outside = np.array([segment not in rule.rule.segments for segment in segments], dtype=bool)
        forbidden = forbidden & outside[rows]
    return forbidden


def weigh(rule: RuleInForce, lists: Lists) -> Lists:
    """Lists with the logarithm of the factor added to the scores of the rule's items, ordered anew.

    A ranker's score is a logarithm of odds, up to a constant: the factor multiplies the odds. Ties keep their order.
    """
    if not isinstance(rule.rule, WEIGHING):
        raise TypeError(type(rule.rule).__name__)
    added = rule.is_target[lists.items] * np.float32(np.log(rule.rule.factor))
    scores: Float32 = lists.scores + added
    return replace(lists, scores=scores).take(np.lexsort((np.arange(len(scores)), -scores, lists.rows)))


def hold_quota(rule: RuleInForce, lists: Lists) -> Lists:
    """Lists with no more than `at_most` of the rule's items among the first places, then no fewer than `at_least`.

    Items that must leave the first places stand right behind them, those that must come in are the list's best of the
    rule and take the last of the places; everything else keeps its order. A list that has too few of the others, or
    of the rule's items, does what it can.
    """
    quota = rule.rule
    if not isinstance(quota, Quota):
        raise TypeError(type(quota).__name__)
    if quota.at_most is not None:
        is_over = rule.is_target[lists.items] & (_nth(rule, lists) >= quota.at_most)
        lists = _first(lists, ~is_over & (_rank(lists, ~is_over) < quota.first))
    if quota.at_least:
        is_needed = rule.is_target[lists.items] & (_nth(rule, lists) < quota.at_least)
        n_needed = np.bincount(lists.rows, weights=is_needed, minlength=1).astype(np.int64)
        is_other = ~is_needed & (_rank(lists, ~is_needed) < quota.first - n_needed[lists.rows])
        lists = _first(lists, is_needed | is_other)
    return lists


def pin(rule: RuleInForce, lists: Lists, may_show: Bool, reason: int) -> Lists:
    """Lists with the item at its place, for the users who may see it; a shorter list has it last.

    Args:
        rule: a pin; its one target is the item.
        lists: an entry of the item is moved, with its score and reason; else one is made, with the score of its
            neighbour below.
        may_show: by row, whether the item may show there.
        reason: of entries that are made.
    """
    if not isinstance(rule.rule, Pin):
        raise TypeError(type(rule.rule).__name__)
    item = int(rule.is_target.argmax())
    is_here = (lists.items == item) & may_show[lists.rows]
    (lacking,) = np.nonzero(may_show & ~np.isin(np.arange(len(may_show)), lists.rows[is_here]))
    joined = _joined(lists, lacking, item, reason)
    is_pinned = np.concatenate([is_here, np.ones(len(lacking), dtype=bool)])
    by_row = np.argsort(joined.rows, kind="stable")
    joined, is_pinned = joined.take(by_row), is_pinned[by_row]
    places = np.where(is_pinned, rule.rule.position - 1.5, _rank(joined, ~is_pinned))
    return _priced(joined.take(np.lexsort((places, joined.rows))))


def _joined(lists: Lists, rows: Int64, item: int, reason: int) -> Lists:
    """The entries and, behind them, one of the item for each of the rows, its score not known yet."""
    n = len(rows)
    return Lists(
        rows=np.concatenate([lists.rows, rows]),
        items=np.concatenate([lists.items, np.full(n, item, dtype=np.int32)]),
        scores=np.concatenate([lists.scores, np.full(n, np.nan, dtype=np.float32)]),
        reasons=np.concatenate([lists.reasons, np.full(n, reason, dtype=np.int32)]),
    )


def _priced(lists: Lists) -> Lists:
    """Entries without a score, one a list at most, given that of the one below, else of the one above, else 0."""
    scores = lists.scores.copy()
    (at,) = np.nonzero(np.isnan(scores))
    padded = np.concatenate([lists.rows, [-1]])  # behind the last row, and before the first, is none
    scores[at] = np.where(
        padded[at + 1] == lists.rows[at],
        np.concatenate([scores, [0]])[at + 1],
        np.where(padded[at - 1] == lists.rows[at], scores[at - 1], 0),
    )
    return replace(lists, scores=scores)


def _nth(rule: RuleInForce, lists: Lists) -> Int64:
    """How many of the rule's items stand above each entry of a list."""
    return _rank(lists, rule.is_target[lists.items])


def _rank(lists: Lists, counted: Bool) -> Int64:
    """How many counted entries stand above each entry of its list."""
    above = np.concatenate([[0], np.cumsum(counted)]).astype(np.int64)
    starts: AnyArray = offsets_of(lists.rows, int(lists.rows[-1]) + 1 if len(lists.rows) else 0)
    return above[:-1] - above[starts[lists.rows]]


def _first(lists: Lists, is_first: Bool) -> Lists:
    """Lists with the entries chosen ahead of the others, both in their order."""
    return lists.take(np.lexsort((np.arange(len(is_first)), ~is_first, lists.rows)))
