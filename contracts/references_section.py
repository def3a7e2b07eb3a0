"""The section of the settings that bounds the naive references of an evaluation."""

from __future__ import annotations

from typing import Final

from contracts.sections import Positive, PositiveFloat, Section, Share

REFERENCE_NAMES: Final = (
    "personal_then_popular", "popular", "cosine", "ease", "als_alone", "tifuknn", "last_week",
)  # fmt: skip
MAIN_REFERENCES: Final = REFERENCE_NAMES[:2]  # with repeats, and with new items only: measured always


class References(Section, frozen=True):
    """What the naive references are fitted with. `tifuknn` are the values published for Ta-Feng (Hu et al. 2020).

    Attributes:
        memory_gigabytes: a reference whose fit needs more is left out, and the report says so.
        cosine_neighbours: nearest items kept of each item.
        ease_items: the most bought items that EASE^R covers; time grows with their cube, memory with their square.
        ease_regularization: added to the diagonal of the items' Gram matrix.
        tifuknn_neighbours: nearest users averaged.
        tifuknn_users: neighbours are sought among so many users, drawn by a hash.
        tifuknn_groups: groups that a user's baskets fall into.
        tifuknn_basket_decay: weight of a basket against the next newer one of its group.
        tifuknn_group_decay: weight of a group against the next newer one.
        tifuknn_alpha: the user's own part of the score.
    """

    memory_gigabytes: PositiveFloat = 2.0
    cosine_neighbours: Positive = 200
    ease_items: Positive = 4000
    ease_regularization: PositiveFloat = 300.0
    tifuknn_neighbours: Positive = 300
    tifuknn_users: Positive = 20_000
    tifuknn_groups: Positive = 7
    tifuknn_basket_decay: Share = 0.9
    tifuknn_group_decay: Share = 0.7
    tifuknn_alpha: Share = 0.7


def check_references(names: tuple[str, ...]) -> None:
    """Passes where all names are known and the main references are among them.

    Raises:
        ValueError: naming those that are not.
    """
    if unknown := [name for name in names if name not in REFERENCE_NAMES]:
        raise ValueError(f"evaluation.references has unknown names {unknown}; known are {list(REFERENCE_NAMES)}")
    if absent := [name for name in MAIN_REFERENCES if name not in names]:
        raise ValueError(f"evaluation.references must have {absent}, which segments are held against")
