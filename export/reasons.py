"""The sentence beside a recommended item, from the source that proposed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.errors import InputInvalid
from export.format.manifest import EVERYONE

ARRIVALS: Final = "new in the shop"
POPULAR: Final = "popular this month"
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "own": ("you buy this regularly", "you buy this regularly"),
    "als": ("shoppers with your taste buy this", "shoppers with your taste buy this"),
    "als_long": ("shoppers with your taste buy this", "shoppers with your taste buy this"),
    "covisit": ("because you bought {anchor}", "often bought with what you buy"),
    "content": ("similar to {anchor}", "similar to what you buy"),
    "category": ("from {category}, which you buy", "from a category that you buy"),
    "popular": (POPULAR, POPULAR),
    "segment": ("popular in {segment}", POPULAR),
    "trend": ("more popular every week", "more popular every week"),
    "arrivals": (ARRIVALS, ARRIVALS),
}
"""By source: the text where its particular is known, and the text where it is not."""
UNKNOWN: Final = "chosen for you"


def check_known(sources: Sequence[str]) -> None:
    """Passes where every source has a text.

    Raises:
        InputInvalid: one has none.
    """
    if unknown := [name for name in sources if name not in TEXTS]:
        raise InputInvalid(
            f"Sources without a reason text: {unknown}",
            where="candidates.sources",
            todo=f"Use sources among {sorted(TEXTS)}, or add a text to export.reasons.",
        )


def render(
    source: str, *, anchor_title: str | None = None, segment: str | None = None, category: str | None = None
) -> str:
    """The reason as a shopper reads it.

    Args:
        source: name of the source; an unknown one is answered with a text that claims nothing.
        anchor_title: title of the item that explains it.
        segment: the user's segment; `all` counts as none.
        category: category of the recommended item.
    """
    exact, plain = TEXTS.get(source, (UNKNOWN, UNKNOWN))
    particulars = {"anchor": anchor_title, "segment": None if segment == EVERYONE else segment, "category": category}
    for name, value in particulars.items():
        mark = f"{{{name}}}"
        if mark in exact:
            return exact.replace(mark, value) if value else plain
    return exact
