"""Explored slots of one user's list: the second path beside `models.exploration`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.exploration_section import EXPLORED
from contracts.settings import Exploration
from models import artifact
from models.parity.inputs import Entry, Shop

WORD: Final = 2**64
GOLDEN: Final = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Exploring:
    """What a placement explores.

    Attributes:
        share: probability that an open slot is explored.
        key: of the draws.
        is_open: by item index, whether the item may be explored.
    """

    settings: Exploration
    share: float
    key: int
    is_open: Sequence[bool]


def exploring(settings: Exploration, shop: Shop, placement: str, folder: Path, *, seed: int) -> Exploring:
    """What a placement explores on the shop's date: new items, and those that few of the last night's lists showed.

    Args:
        settings: shares, slots and limits.
        shop: items and date.
        placement: by name.
        folder: the artifact `exposure`, whose counts are taken over.
        seed: of the draws.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    row, n_lists = json.loads(artifact.text(folder, "placements.json")).get(placement, (0, 0))
    counts = artifact.array(folder, "counts")[row].tolist() if n_lists else []
    shown = [*counts, *([0] * shop.n_items)][: shop.n_items]
    ages = shop.numbers["age_days"].tolist()
    is_open = [
        age <= shop.arrival_days or n / max(n_lists, 1) <= settings.max_reach
        for age, n in zip(ages, shown, strict=True)
    ]
    name = f"{seed}\n{shop.today}\n{placement}".encode()
    key = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
    return Exploring(settings, settings.share.get(placement, 0.0), key, is_open)


def explore(
    made: list[Entry], may: list[Entry], user_idx: int, what: Exploring, shop: Shop, fixed: frozenset[int]
) -> list[Entry]:
    """The list with explored slots, each with the score of the entry it replaces.

    The user's better candidates that are open and not in the list are dealt to the open slots in turn; a slot that
    draws below the share shows one of its own, by the same draw.

    Args:
        made: the finished list.
        may: all that may be shown, best first.
        user_idx: whose list.
        what: of the placement.
        shop: names the reasons.
        fixed: items whose slot is never explored.
    """
    first, last = what.settings.first_slot, min(what.settings.last_slot, len(made))
    n_slots = last - first + 1
    if n_slots <= 0 or not what.share:
        return made
    listed = {entry.item for entry in made}
    better = may[: math.ceil(len(may) * (1 - what.settings.floor))]
    pool = [entry.item for entry in better if what.is_open[entry.item] and entry.item not in listed]
    pool = pool[: n_slots * what.settings.items_per_slot]
    out = list(made)
    for slot in range(first, last + 1):
        own = pool[slot - first :: n_slots]
        number = draw(what.key, user_idx, slot)
        if own and number < what.share and made[slot - 1].item not in fixed:
            item = own[min(int(number / what.share * len(own)), len(own) - 1)]
            out[slot - 1] = Entry(item, made[slot - 1].score, shop.reasons.index(EXPLORED))
    return out


def draw(key: int, user_idx: int, slot: int) -> float:
    """A number in [0, 1): two rounds of SplitMix64's finaliser over the key, the user and the slot."""
    mixed = _mixed((key + user_idx * GOLDEN) % WORD)
    return float(_mixed((mixed + slot * GOLDEN) % WORD) >> 11) * 2.0**-53


def _mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % WORD
    return value ^ (value >> 31)
