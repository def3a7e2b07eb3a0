"""The sentence beside a recommended item, from the source that proposed it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
    "own": Text("you bought this before"),
    "als": Text("shoppers with your taste buy this"),
    "als_long": Text("shoppers with your taste buy this"),
    "covisit": Text("often bought with what you buy", "because you bought ", "anchor"),
    "last_basket": Text("goes with your last purchase", "goes with ", "anchor", " of your last purchase"),
    "content": Text("similar to what you buy", "similar to ", "anchor"),
    "category": Text("from a category that you buy", "from ", "category", ", which you buy"),
    "popular": Text(POPULAR),
    "segment": Text(POPULAR, "popular in ", "segment"),
    "trend": Text("in demand this week"),
    "arrivals": Text(ARRIVALS),
    "explored": Text("something else to try"),
    "pinned": Text("our pick"),
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


@lru_cache(maxsize=1024)
def plans(sources: tuple[str, ...], segment: str | None) -> tuple[tuple[str, str, str, str], ...]:
    """For each source: what its text names (`anchor`, `category` or nothing), the text without it, before and after it.

    For whom many reasons are needed at once; one is made by `render`.
    """
    found = [(source, TEXTS.get(source, Text(UNKNOWN))) for source in sources]
    return tuple(
        (text.particular, text.plain, text.before, text.after)
        if text.particular in {"anchor", "category"}
        else ("", render(source, segment=segment), "", "")
        for source, text in found
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
    value = {"anchor": anchor_title, "category": category, "segment": segment}.get(text.particular)
    if not value or (text.particular == "segment" and value == EVERYONE):
        return text.plain
    return f"{text.before}{value}{text.after}"
