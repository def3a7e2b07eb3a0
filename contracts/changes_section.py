"""The settings' section of what may change from the lists that are served to those of a night."""

from __future__ import annotations

from contracts.sections import Ladder, Positive, Section


class Changes(Section, frozen=True):
    """How far a night may lie from what is served, for each placement.

    Each limit is a pair: beyond the first the gate is yellow, which warns and publishes, beyond the second it is red,
    which holds. A red limit that nothing can break (0 of a minimum, 1 of a maximum) switches its gate off.

    Attributes:
        users: of more, a sample of about so many is compared.
        max_top5_changed: share of the users whose best five are other items.
        min_overlap_median: the overlap that half of the users do not exceed.
        min_overlap_p10: the overlap that a tenth of the users do not exceed.
        max_fallback_growth: growth of the share of eligible users without an own list.
        max_users_gone: share of the users with an own list who have none any more.
        max_items_moved: share of all places that went to other items, whoever's they are.
    """

    users: Positive = 20_000
    max_top5_changed: Ladder = (0.9, 0.99)
    min_overlap_median: Ladder = (0.5, 0.3)
    min_overlap_p10: Ladder = (0.2, 0.05)
    max_fallback_growth: Ladder = (0.02, 0.1)
    max_users_gone: Ladder = (0.02, 0.1)
    max_items_moved: Ladder = (0.3, 0.6)

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if name == "users":
                continue
            yellow, red = getattr(self, name)
            if (yellow > red) if name.startswith("max_") else (yellow < red):
                raise ValueError(f"gates.changes.{name} is {[yellow, red]}: yellow must come before red")
