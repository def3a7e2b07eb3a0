"""A first settings file for a shop, guessed from its events and catalogues."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from contracts import settings as contract
from contracts.errors import InputInvalid
from contracts.settings import EventType, Role

_WORDS: Final[dict[str, Role]] = {
    "view": "view", "views": "view", "pageview": "view", "page_view": "view", "impression": "view",
    "click": "click", "clicks": "click",
    "cart": "cart", "add_to_cart": "cart", "addtocart": "cart", "basket": "cart", "add_to_basket": "cart",
    "purchase": "purchase", "order": "purchase", "buy": "purchase", "transaction": "purchase", "sale": "purchase",
    "bought": "purchase", "ordered": "purchase",
    "cancellation": "cancellation", "cancel": "cancellation", "return": "cancellation", "refund": "cancellation",
    "returned": "cancellation",
}  # fmt: skip
_WEIGHTS: Final[dict[Role, float]] = {
    "view": 0.1, "click": 0.2, "cart": 0.5, "purchase": 1.0, "cancellation": -1.0, "ignore": 0.0,
}  # fmt: skip
_STRENGTH: Final[tuple[Role, ...]] = ("cart", "click", "view", "ignore")
_MAX_EVENT_TYPES: Final = 1_000
_MAX_SAMPLE: Final = 300_000
_REPEAT_SHARE: Final = 0.1
_PAIR: Final = ["user_id", "item_id"]
_TEMPLATE: Final = """\
# Settings of one shop, guessed from its files by `larder import`. Check them; every key has a default.
root = {root}  # folder of everything this shop's nights read and write

[shop]
name = {name}
# Rows that fail this SQL condition are quarantined, for example: event_type <> 'purchase' or price > 0
event_condition = "true"
# Items for which this SQL condition on a catalogue row holds are never recommended.
exclude_items = {exclude}
# Whether buying an item again is sensible: {share} of the pairs of a user and an item have two days or more.
repeats = {repeats}
# SQL over a user row, giving the segment whose popular list a user without history gets.
segment = {segment}

[shop.columns]  # our column = the shop's; only `larder import` reads this: landing files carry our names
{columns}
[shop.event_types]  # roles: view, click, cart, purchase, cancellation, or ignore; weight 1 is a purchase
{event_types}"""


class Sights:
    """What was seen of a shop's events, in bounded memory: event types, and how often a user buys an item again.

    Repeats are counted over users chosen by a hash of their id; the choice halves whenever too many pairs are held.
    """

    def __init__(self, *, max_sample: int = _MAX_SAMPLE) -> None:
        self.event_types: Counter[str] = Counter()
        self._max_sample = max_sample
        self._modulus = 1
        self._days: pa.Table | None = None

    def add(self, block: pa.RecordBatch, days: pa.Array, where: Path) -> None:
        """Counts a block of landing events; `days` (int32) has one value a row.

        Raises:
            InputInvalid: so many event types that the column must be another one.
        """
        for pair in pc.value_counts(block["event_type"]).to_pylist():
            if pair["values"] is not None:
                self.event_types[pair["values"]] += pair["counts"]
        if len(self.event_types) > _MAX_EVENT_TYPES:
            raise InputInvalid(
                f"The event types take more than {_MAX_EVENT_TYPES} different values.",
                where=str(where),
                todo="Map the right column: `larder import --map event_type=...`.",
            )
        words = [word for word in self.event_types if _guess(word) == "purchase"]
        bought = pc.is_in(block["event_type"], pa.array(words, pa.string()))
        rows = pa.table({"user_id": block["user_id"], "item_id": block["item_id"], "day": days}).filter(bought)
        fresh = self._chosen(rows.drop_null())
        held = fresh if self._days is None else pa.concat_tables([self._days, fresh])
        held = held.group_by([*_PAIR, "day"], use_threads=False).aggregate([])
        while held.num_rows > self._max_sample:
            self._modulus *= 2
            held = self._chosen(held)
        self._days = held

    @property
    def repeat_share(self) -> float:
        """Share of the (user, item) purchase pairs that have two days or more; 0 without purchases."""
        if self._days is None or self._days.num_rows == 0:
            return 0.0
        counts = self._days.group_by(_PAIR, use_threads=False).aggregate([("day", "count")])["day_count"]
        return float(pc.mean(pc.greater(counts, 1)).as_py())

    def _chosen(self, rows: pa.Table) -> pa.Table:
        if self._modulus == 1:
            return rows
        users = pc.unique(rows["user_id"])
        chosen = [user for user in users.to_pylist() if zlib.crc32(user.encode()) % self._modulus == 0]
        return rows.filter(pc.is_in(rows["user_id"], pa.array(chosen, pa.string())))


def guess_event_types(seen: Counter[str]) -> tuple[dict[str, EventType], str | None]:
    """A role and weight for each type, most frequent first, and the type taken as a purchase for want of a better."""
    words = [word for word, _ in sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))]
    roles = {word: _guess(word) for word in words}
    doubtful = None
    if words and "purchase" not in roles.values():
        doubtful = min(words, key=lambda word: _STRENGTH.index(roles[word]) if roles[word] in _STRENGTH else 9)
        roles[doubtful] = "purchase"
    return {word: EventType(role=role, weight=_WEIGHTS[role]) for word, role in roles.items()}, doubtful


def write_first_settings(
    root: Path,
    *,
    name: str,
    columns: dict[str, str],
    sights: Sights,
    item_columns: list[str],
    user_columns: list[str],
    repeats: bool | None = None,
) -> bool:
    """Writes `larder.toml` of the root folder and reads it back; False, and nothing touched, where there is one.

    Whether repeats are sensible is told from the sights where `repeats` is None.

    Raises:
        SettingsError: what was written is not valid.
    """
    file = root / "larder.toml"
    if file.exists():
        return False
    exclude = "is_product = false" if "is_product" in item_columns else "false"
    segment = "segment" if "segment" in user_columns else "'all'"
    share = sights.repeat_share
    text = _TEMPLATE.format(
        root=_quoted(str(root.absolute())),
        name=_quoted(name),
        exclude=_quoted(exclude),
        share=f"{share:.1%}",
        repeats=str(share > _REPEAT_SHARE if repeats is None else repeats).lower(),
        segment=_quoted(segment),
        columns="".join(f"{_quoted(ours)} = {_quoted(theirs)}\n" for ours, theirs in sorted(columns.items())),
        event_types=_event_type_lines(sights.event_types),
    )
    file.write_text(text, encoding="utf-8")
    contract.load(file, {})
    return True


def _event_type_lines(seen: Counter[str]) -> str:
    kinds, doubtful = guess_event_types(seen)
    lines = []
    for word, kind in kinds.items():
        note = "; CHECK THIS: no word for a purchase was recognised" if word == doubtful else ""
        value = f"{{ role = {_quoted(kind.role)}, weight = {kind.weight} }}"
        lines.append(f"{_quoted(word)} = {value}  # {seen[word]} rows{note}\n")
    return "".join(lines)


def _guess(word: str) -> Role:
    return _WORDS.get(word.strip().lower().replace("-", "_").replace(" ", "_"), "ignore")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
