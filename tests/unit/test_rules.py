from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import settings as contract
from contracts.errors import SettingsError
from contracts.rules_section import Block, Boost, Bury, MinMargin, Pin, Quota, Region, Rule
from contracts.settings import Placement
from models.item_arrays import ItemArrays
from models.objectives import Aims, likeness_of
from models.rerank import Lists
from models.rule_effects import Effect, Effects
from models.rules import RuleInForce, hold_quota, pin, weigh
from models.shelf import Shelf
from models.stages import StageContext, fallback_of, lists_of
from models.user_block import UserBlock, strangers

N_ITEMS = 6
PINNED = 7
TARGET = ("named",)


def about(rule: Rule, *items: int) -> RuleInForce:
    """The rule with its items."""
    return RuleInForce(rule, np.isin(np.arange(N_ITEMS), items))


def lists_with(*rows: list[int]) -> Lists:
    """Lists with scores 5, 4, 3 and on; the reason is 1."""
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    scores = np.array([5.0 - n for row in rows for n in range(len(row))], dtype=np.float32)
    at = np.repeat(np.arange(len(rows), dtype=np.int64), [len(row) for row in rows])
    return Lists(at, items, scores, np.ones(len(items), dtype=np.int32))


def shown(lists: Lists, n: int) -> list[list[int]]:
    """The items of each row, in order."""
    return [lists.items[lists.rows == row].tolist() for row in range(n)]


@pytest.fixture
def context(block: UserBlock, items: ItemArrays) -> StageContext:
    """Lists of four for the four users of segments a, b, a and z; repeats allowed, ordered by the ranker alone."""
    aims = Aims(
        {"engagement": 1.0}, np.zeros(6, np.float32), likeness_of(items, np.zeros((6, 2), np.float32), ("taste",)), 2
    )
    return StageContext(
        block=block, items=items, allowed=items.is_recommendable, popular=np.array([3, 0, 2, 4, 1], dtype=np.int32),
        placement=Placement(repeats=True, length=4), may_repeat=True, fill_reason=6, aims=aims, pinned_reason=PINNED,
    )  # fmt: skip


def test_a_boost_multiplies_the_odds() -> None:
    """Three times the odds is 1.0986 more: enough to pass one point, not two. An equal score keeps its order."""
    made = weigh(about(Boost(name="up", items=TARGET, factor=3.0), 2, 3), lists_with([0, 1, 2, 4], [0, 1, 4, 3]))
    assert shown(made, 2) == [[0, 2, 1, 4], [0, 1, 3, 4]]
    assert made.scores[1] == pytest.approx(3 + np.log(3))
    level = replace(lists_with([0, 1]), scores=np.array([0.0, -np.log(2)], dtype=np.float32))
    assert shown(weigh(about(Boost(name="up", items=TARGET, factor=2.0), 1), level), 1) == [[0, 1]]


def test_a_bury_divides_them() -> None:
    """A fifth of the odds costs 1.6 points."""
    made = weigh(about(Bury(name="down", items=TARGET, factor=0.2), 0), lists_with([0, 1, 2], [3, 0]))
    assert shown(made, 2) == [[1, 0, 2], [3, 0]]


def test_at_most_moves_the_surplus_right_behind_the_first_places() -> None:
    """Of 0, 1 and 2 one stays among the first three; a list without enough others keeps what it has."""
    quota = about(Quota(name="few", items=TARGET, at_most=1, first=3), 0, 1, 2)
    made = hold_quota(quota, lists_with([0, 1, 3, 2, 4, 5], [0, 1, 2], [3, 4, 5]))
    assert shown(made, 3) == [[0, 3, 4, 1, 2, 5], [0, 1, 2], [3, 4, 5]]


def test_at_least_brings_the_best_up_to_the_last_of_the_places() -> None:
    """Two of 3, 4 and 5 are asked among the first three: one comes up, or both, or the one there is."""
    quota = about(Quota(name="some", items=TARGET, at_least=2, first=3), 3, 4, 5)
    made = hold_quota(quota, lists_with([0, 3, 1, 2, 5], [0, 1, 2, 4, 3], [0, 1, 2, 5], [5, 4, 3]))
    assert shown(made, 4) == [[0, 3, 5, 1, 2], [0, 4, 3, 1, 2], [0, 1, 5, 2], [5, 4, 3]]


ROWS = st.lists(st.lists(st.integers(0, 5), unique=True, max_size=6), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sets(st.integers(0, 5), min_size=1), st.integers(0, 3), st.integers(0, 3), st.integers(1, 5))
def test_quotas_hold_as_far_as_a_list_can(
    rows: list[list[int]], targets: set[int], low: int, more: int, first: int
) -> None:
    """Every list keeps its items; among the first places stand as many of the targets as asked, or as there can be."""
    low = min(low, first)
    rule = Quota(name="q", items=TARGET, at_least=low, at_most=low + more, first=first)
    made = shown(hold_quota(about(rule, *targets), lists_with(*rows)), len(rows))
    for before, after in zip(rows, made, strict=True):
        assert sorted(after) == sorted(before)
        n, n_targets = sum(item in targets for item in after[:first]), sum(item in targets for item in before)
        n_others = len(before) - n_targets
        fewest = min(first, len(before)) - min(first, n_others)  # where all others stand in front
        assert n >= min(low, n_targets)
        assert n <= max(low + more, fewest)
        for kind in (True, False):
            assert [i for i in after if (i in targets) == kind] == [i for i in before if (i in targets) == kind]


def test_a_pin_moves_what_is_there_and_brings_what_is_not() -> None:
    """Item 3 at place 2: moved up or down with its own score and reason, or made with its neighbour's score."""
    rule = about(Pin(name="p", item="three", position=2), 3)
    lists = lists_with([0, 1, 3], [3, 0, 1], [0, 1], [], [0], [1, 3])
    made = pin(rule, lists, np.array([True, True, True, True, True, False]), PINNED)
    assert shown(made, 6) == [[0, 3, 1], [0, 3, 1], [0, 3, 1], [3], [0, 3], [1, 3]]
    assert made.reasons.tolist() == [1, 1, 1, 1, 1, 1, 1, PINNED, 1, PINNED, 1, PINNED, 1, 1]
    assert made.scores.tolist() == [5, 3, 4, 4, 5, 3, 5, 4, 4, 0, 5, 5, 5, 4]


def test_removing_rules_hold_for_what_fills_a_list_too(context: StageContext) -> None:
    """Item 3, the most popular, is blocked: nobody has it. Item 0 is for segment b alone, 2 has too little margin."""
    rules = (
        about(Block(name="no", items=TARGET), 3),
        about(MinMargin(name="poor", margin=0.1), 2),
        about(Region(name="b only", items=TARGET, segments=("b",)), 0),
    )
    made = lists_of(lists_with([3, 0, 1], [0, 2, 4], [], [2, 3, 4]), replace(context, rules=rules))
    assert shown(made, 4) == [[1, 4], [0, 4, 1], [4, 1], [4, 1]]


def test_no_pin_brings_back_what_is_removed(context: StageContext) -> None:
    """Item 4 is pinned first and blocked: it shows nowhere. Item 0, for segment a only, is pinned for segment a."""
    rules = (
        about(Block(name="no", items=TARGET), 4),
        about(Region(name="a only", items=TARGET, segments=("a",)), 0),
        about(Pin(name="gone", item="four"), 4),
        about(Pin(name="there", item="zero"), 0),
    )
    made = lists_of(lists_with([1, 2, 4], [1, 2, 4], [3, 1], [2]), replace(context, rules=rules))
    assert shown(made, 4) == [[0, 1, 2, 3], [1, 2, 3], [0, 3, 1, 2], [2, 3, 1]]


def test_a_pin_shows_no_user_what_the_user_bought_where_only_new_items_show(context: StageContext) -> None:
    """User 0 bought items 0 and 1; item 0 is pinned."""
    rules = (about(Pin(name="there", item="zero"), 0),)
    made = lists_of(lists_with([2, 0], [3], [], []), replace(context, rules=rules, may_repeat=False))
    assert shown(made, 4)[:2] == [[2, 3, 4], [0, 3, 4, 1]]


def test_the_order_of_the_rules_decides(context: StageContext) -> None:
    """A pin breaks a quota. Of two pins on a place the first has it, the other the next; a cap moves both."""
    quota = about(Quota(name="none of 4", items=TARGET, at_most=0, first=2), 4)
    pins = (about(Pin(name="a", item="four", position=1), 4), about(Pin(name="b", item="one", position=1), 1))
    low = about(Pin(name="c", item="three", position=3), 3)
    made = lists_of(lists_with([0, 4, 1, 2, 3], [], [], []), replace(context, rules=(quota, low, *pins)))
    assert shown(made, 4)[0] == [4, 1, 3, 0]
    capped = replace(
        context, rules=(quota, low, *pins), placement=Placement(repeats=True, length=4, max_per_category=1)
    )
    assert shown(lists_of(lists_with([0, 4, 1, 2, 3], [], [], []), capped), 4)[0] == [4, 3, 1, 0]


def test_effects_say_what_each_rule_did(context: StageContext) -> None:
    """Lists touched, entries that went, came and moved, and by how many places, by the rule that did it."""
    rules = (
        about(Block(name="block", items=TARGET), 3),
        about(Boost(name="boost", items=TARGET, factor=3.0), 1, 4),
        about(Pin(name="pin", item="two", position=1), 2),
        about(Block(name="idle", items=TARGET), 5),
    )
    effects = Effects()
    lists_of(lists_with([0, 1, 3], [3, 0, 2, 4], [3], [0]), replace(context, rules=rules, effects=effects))
    assert dict(effects) == {
        "block": Effect(lists=3, removed=3),
        # 1 rises over 0 in the first list; 4, with 0 and 2 at 4 and 3 above its 2, over 2 in the second.
        "boost": Effect(lists=2, moved=2, places_up=2),
        "pin": Effect(lists=4, added=3, moved=1, places_up=2),
        "idle": Effect(),
    }


def test_fallback_lists_keep_the_rules(context: StageContext) -> None:
    """What is blocked is gone, what is pinned stands, and what is for segment b is for nobody else."""
    rules = (
        about(Block(name="no", items=TARGET), 3),
        about(Region(name="b only", items=TARGET, segments=("b",)), 0),
        about(Pin(name="there", item="one", position=2), 1),
    )
    nobody = strangers(["a", "all", "b"], N_ITEMS)
    listed = lists_with([3, 0, 2, 4], [3, 2, 4, 1, 0], [0, 2])
    made = fallback_of(listed, replace(context, block=nobody, rules=rules))
    assert shown(made, 3) == [[2, 1, 4], [2, 1, 4], [0, 1, 2]]


def test_a_shelf_knows_which_rules_hold_where() -> None:
    """Rules of a placement in the order in which they act, without those that are about no item."""
    rules: list[tuple[Rule, np.ndarray]] = [
        (Pin(name="pin", item="x", placements=("home",)), np.array([1])),
        (Block(name="block", items=TARGET), np.array([2, 3])),
        (Block(name="unknown", items=TARGET), np.zeros(0, dtype=np.int32)),
        (Quota(name="quota", items=TARGET, at_most=1), np.array([0])),
    ]
    shelf = Shelf(np.zeros(4, dtype=np.float32), {}, tuple((rule, items.astype(np.int32)) for rule, items in rules))
    assert [rule.rule.name for rule in shelf.rules_of("home")] == ["block", "quota", "pin"]
    assert [rule.rule.name for rule in shelf.rules_of("discover")] == ["block", "quota"]
    assert shelf.rules_of("home")[0].is_target.tolist() == [False, False, True, True]


def test_a_rule_holds_on_its_dates() -> None:
    """From its first to its last day, both included; without one it is open on that side."""
    rule = Block(name="b", items=TARGET, first_day=dt.date(2024, 5, 2), last_day=dt.date(2024, 5, 3))
    assert [rule.holds(dt.date(2024, 5, day)) for day in (1, 2, 3, 4)] == [False, True, True, False]
    assert Block(name="b", items=TARGET).holds(dt.date(1990, 1, 1))


def test_rules_come_from_the_settings_and_from_the_file_beside_them(tmp_path: Path) -> None:
    """Those of the settings first; dates are TOML dates, and the settings come back from JSON as they were."""
    (tmp_path / "larder.toml").write_text(
        'rules_file = "rules.toml"\n[[rules]]\nkind = "pin"\nname = "a"\nitem = "x"\nfrom = 2024-05-01\n'
    )
    (tmp_path / "rules.toml").write_text('[[rules]]\nkind = "quota"\nname = "b"\nbrands = ["y"]\nat_least = 1\n')
    made = contract.load(tmp_path / "larder.toml", {})
    assert made.rules == (
        Pin(name="a", item="x", first_day=dt.date(2024, 5, 1)),
        Quota(name="b", brands=("y",), at_least=1),
    )
    assert contract.msgspec.json.decode(contract.msgspec.json.encode(made), type=contract.Settings) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "hide"\nname = "a"\nitems = ["x"]', "hide"),
        ('kind = "pin"\nname = "a"\nitems = ["x"]', "unknown field `items`"),
        ('kind = "block"\nname = "a"', "names no items, categories or brands"),
        ('kind = "boost"\nname = "a"\nitems = ["x"]\nfactor = 0.5', "> 1"),
        ('kind = "bury"\nname = "a"\nitems = ["x"]\nfactor = 2', "< 1"),
        ('kind = "quota"\nname = "a"\nitems = ["x"]', "neither at_least nor at_most"),
        ('kind = "quota"\nname = "a"\nitems = ["x"]\nat_least = 3\nat_most = 2', "asks for at least 3"),
        ('kind = "region"\nname = "a"\nitems = ["x"]\nsegments = []', "length >= 1"),
        ('kind = "pin"\nname = "a"\nitem = "x"\nposition = 51', "place 51, but lists are 50 long"),
        ('kind = "pin"\nname = "a"\nitem = "x"\nplacements = ["hom"]', "known are"),
        ('kind = "pin"\nname = "a"\nitem = "x"\nfrom = 2024-05-02\nuntil = 2024-05-01', "ends before it begins"),
        ('kind = "pin"\nname = "a"\nitem = "x"\n[[rules]]\nkind = "pin"\nname = "a"\nitem = "y"', "twice there are"),
    ],
)
def test_a_rule_that_cannot_be_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """Named before anything is cooked."""
    (tmp_path / "larder.toml").write_text(f"[[rules]]\n{text}\n")
    with pytest.raises(SettingsError, match=message):
        contract.load(tmp_path / "larder.toml", {})


def test_a_file_of_rules_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """One that is absent, and one with another table."""
    (tmp_path / "larder.toml").write_text('rules_file = "rules.toml"\n')
    with pytest.raises(SettingsError, match="cannot be read"):
        contract.load(tmp_path / "larder.toml", {})
    (tmp_path / "rules.toml").write_text("rules = []\n[gates]\n")
    with pytest.raises(SettingsError, match="has \\[\\[rules\\]\\] and nothing else"):
        contract.load(tmp_path / "larder.toml", {})
