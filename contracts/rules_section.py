"""The settings' rules: what the shop wants shown, hidden, moved or balanced, where and from when until when."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from contracts.placement_section import Placement
from contracts.sections import Count, Positive, PositiveFloat, Section

PINNED: Final = "pinned"
"""The reason of an item that a pin brought, in the place of a source."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class AnyRule(Section, frozen=True, kw_only=True, tag_field="kind"):
    """What every rule has.

    Attributes:
        name: one of its own, which reports carry.
        placements: where it holds; none is everywhere.
        first_day: `from` in the file: the first date whose lists it shapes.
        last_day: `until` in the file: the last one.
    """

    name: Name
    placements: tuple[str, ...] = ()
    first_day: dt.date | None = msgspec.field(default=None, name="from")
    last_day: dt.date | None = msgspec.field(default=None, name="until")

    def __post_init__(self) -> None:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(f"rule {self.name!r} ends before it begins")

    def is_for(self, placement: str) -> bool:
        """Whether it shapes the lists of a placement."""
        return not self.placements or placement in self.placements

    def holds(self, day: dt.date) -> bool:
        """Whether it shapes lists as of a date."""
        return (self.first_day or day) <= day <= (self.last_day or day)


class TargetRule(AnyRule, frozen=True, kw_only=True):
    """A rule about some items: those named, and those of a category or brand named.

    Attributes:
        items: ids.
        categories: of the catalogue.
        brands: of the catalogue.
    """

    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.items or self.categories or self.brands):
            raise ValueError(f"rule {self.name!r} names no items, categories or brands")


class Block(TargetRule, frozen=True, kw_only=True, tag="block"):
    """The items are in no list."""


class MinMargin(AnyRule, frozen=True, kw_only=True, tag="min_margin"):
    """Items with a lower margin are in no list; an item of unknown margin stays.

    Attributes:
        margin: share of the price.
    """

    margin: float


class Region(TargetRule, frozen=True, kw_only=True, tag="region"):
    """The items are for users of some segments only.

    Attributes:
        segments: whose lists may hold them.
    """

    segments: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class Boost(TargetRule, frozen=True, kw_only=True, tag="boost"):
    """The items' odds are multiplied: the logarithm of the factor is added to the ranker's score.

    Attributes:
        factor: above 1.
    """

    factor: Annotated[float, msgspec.Meta(gt=1)]


class Bury(TargetRule, frozen=True, kw_only=True, tag="bury"):
    """The items' odds are multiplied by less than 1.

    Attributes:
        factor: between 0 and 1.
    """

    factor: Annotated[PositiveFloat, msgspec.Meta(lt=1)]


class Quota(TargetRule, frozen=True, kw_only=True, tag="quota"):
    """So many of the items at least, or at most, stand among the first places, as far as the list has them.

    Attributes:
        at_least: 0 for no lower bound.
        at_most: none for no upper bound.
        first: places that count.
    """

    at_least: Count = 0
    at_most: Count | None = None
    first: Positive = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.at_least and self.at_most is None:
            raise ValueError(f"rule {self.name!r} says neither at_least nor at_most")
        if self.at_least > min(self.first, self.at_most if self.at_most is not None else self.first):
            raise ValueError(f"rule {self.name!r} asks for at least {self.at_least}, more than its places or at_most")


class Pin(AnyRule, frozen=True, kw_only=True, tag="pin"):
    """An item stands at one place, whatever its score, in every list that may show it.

    Attributes:
        item: id.
        position: from 1.
    """

    item: str
    position: Positive = 1


Rule = Block | MinMargin | Region | Boost | Bury | Quota | Pin
# The order in which kinds act; rules of one kind act as the file has them.
KINDS: Final[tuple[type[AnyRule], ...]] = (Block, MinMargin, Region, Boost, Bury, Quota, Pin)


def kind_of(rule: AnyRule) -> str:
    """The word that the file has for the rule's kind."""
    return str(type(rule).__struct_config__.tag)


def ordered(rules: Iterable[Rule]) -> list[Rule]:
    """The rules in the order in which they act."""
    return sorted(rules, key=lambda rule: KINDS.index(type(rule)))


def check_rules(rules: Sequence[AnyRule], placements: Mapping[str, Placement]) -> None:
    """Passes where the names are unique, the placements known, and no place is beyond a list's end.

    Raises:
        ValueError: naming the rule.
    """
    names = Counter(rule.name for rule in rules)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise ValueError(f"rules need names of their own; twice there are {twice}")
    for rule in rules:
        if absent := [name for name in rule.placements if name not in placements]:
            raise ValueError(f"rule {rule.name!r} has placements {absent}; known are {list(placements)}")
        where = [placements[name].length for name in rule.placements or placements]
        place = rule.position if isinstance(rule, Pin) else rule.first if isinstance(rule, Quota) else 1
        if where and place > min(where):
            raise ValueError(f"rule {rule.name!r} is about place {place}, but lists are {min(where)} long")
