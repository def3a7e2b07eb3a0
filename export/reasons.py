"""The sentence beside a recommended item, from the source that proposed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from contracts.errors import InputInvalid
from export.format.manifest import EVERYONE

ARRIVALS: Final = "new in the shop"
POPULAR: Final = "popular this month"
UNKNOWN: Final = "chosen for you"


class Text(NamedTuple):
    """The text of a source.

    Attributes:
        plain: where the particular is not known, or there is none.
        before: before the particular.
        particular: what the exact text names: `anchor`, `segment`, `category` or nothing.
        after: after the particular.
    """

    plain: str
    before: str = ""
    particular: str = ""
    after: str = ""


TEXTS: Final = {
    "own": Text("you buy this regularly"),
    "als": Text("shoppers with your taste buy this"),
    "als_long": Text("shoppers with your taste buy this"),
    "covisit": Text("often bought with what you buy", "because you bought ", "anchor"),
    "content": Text("similar to what you buy", "similar to ", "anchor"),
    "category": Text("from a category that you buy", "from ", "category", ", which you buy"),
    "popular": Text(POPULAR),
    "segment": Text(POPULAR, "popular in ", "segment"),
    "trend": Text("more popular every week"),
    "arrivals": Text(ARRIVALS),
}


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
    text = TEXTS.get(source)
    if text is None:
        return UNKNOWN
    value = None
    if text.particular == "anchor":
        value = anchor_title
    elif text.particular == "category":
        value = category
    elif text.particular == "segment" and segment != EVERYONE:
        value = segment
    return f"{text.before}{value}{text.after}" if value else text.plain
