"""Ids, titles and names of a shop as a terminal may show them: they come from outside."""

from __future__ import annotations

import re
from typing import Final

from rich.markup import escape

# Control characters, line and paragraph separators, and what turns the direction of writing.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text on one line, with what a terminal would obey as its escape: a line feed is `\n`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """`printable` of each line, for a text or table of ours that has lines."""
    return "\n".join(map(printable, text.split("\n")))


def plain(text: str) -> str:
    """`printable`, and nothing of it read as rich's markup."""
    return escape(printable(text))
