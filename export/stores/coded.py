"""A coded list as it is shown: each column is picked out of a table of its own, whatever the list is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any, Final

from export import reasons
from export.format.compiled import compiled
from export.format.items import CACHED_ITEMS, ItemColumns, ItemDictionary
from export.format.records import CodedList, Widths
from export.stores.base import Rows

MAX_SOURCES: Final = 256
"""Sources have one byte in a pair."""

Pick = Callable[[Any], tuple[Any, ...]]


def picker(places: Sequence[int]) -> Pick:
    """Takes the values at some places, at least one, out of a list or a dictionary."""
    if len(places) > 1:
        return itemgetter(*places)
    only = places[0]
    return lambda column: (column[only],)


class _OfCategory(dict[str | None, str]):
    """The reasons of a source that names the item's category, by category."""

    def __init__(self, plain: str, before: str, after: str) -> None:
        super().__init__()
        self._plain, self._before, self._after = plain, before, after

    def __missing__(self, category: str | None) -> str:
        made = self[category] = f"{self._before}{category}{self._after}" if category else self._plain
        return made


class _Texts:
    """What the sources of one segment's lists stand for; each by source.

    Attributes:
        plain: the reason, where nothing particular is known.
        around: what stands before and after an anchor's title, None where the reason names no anchor.
        of_category: reasons by the item's category, None where the reason names no category.
        is_particular: 1 where it names either.
    """

    def __init__(self, sources: tuple[str, ...], segment: str) -> None:
        plans = reasons.plans(sources, segment)
        self.plain = [plain for _, plain, _, _ in plans]
        self.around = [(before, after) if kind == "anchor" else None for kind, _, before, after in plans]
        self.of_category = [_OfCategory(*plan[1:]) if plan[0] == "category" else None for plan in plans]
        flags = bytes(kind in {"anchor", "category"} for kind, _, _, _ in plans)
        self.is_particular = flags.ljust(MAX_SOURCES, b"\0")


class CodedLists:
    """Lists of one snapshot as they are shown. Safe to share between threads."""

    def __init__(self, items: ItemDictionary, sources: tuple[str, ...], widths: Widths) -> None:
        """Shows items of `items` with reasons of `sources`."""
        self._items, self._sources, self._n_codes = items, sources, 1 << widths.source_bits
        self._names, self._widths = list(sources), widths
        self._own_sources = bytes(range(self._n_codes))
        self._columns = ItemColumns(items)
        self._texts: dict[str, _Texts] = {}

    def shown_at(self, data: bytes, at: int, k: int, segment: str) -> Rows | None:
        """The best `k` of the list that begins at `at` in a record, by the compiled reader.

        None where there is none, the list is empty, or not all of its items were loaded before: see `shown`.
        """
        if compiled is None:
            return None
        widths, columns, texts = self._widths, self._columns, self._texts.get(segment) or self._of(segment)
        made = compiled.shown(
            data, at, k, widths.item_bits, widths.source_bits, columns.is_loaded, columns.ids, columns.titles,
            columns.categories, self._names, texts.plain, texts.around, texts.of_category,
        )  # fmt: skip
        return None if made is None else Rows(*made)

    def shown(self, made: CodedList, segment: str) -> Rows:
        """The list of a user of a segment, not empty.

        Raises:
            SnapshotCorrupt: an item or an anchor is damaged.
        """
        items, scores, codes, anchors, pair_sources = made
        columns = self._columns if self._columns.is_full else self._loaded(items, anchors)
        texts = self._texts.get(segment) or self._of(segment)
        sources = codes if isinstance(codes, bytes) and not anchors else self._sources_of(codes, pair_sources)
        pick = picker(sources)
        names, shown = list(pick(self._sources)), list(pick(texts.plain))
        first_pair = self._n_codes
        for at in compress(range(len(items)), sources.translate(texts.is_particular)):
            by_category, words = texts.of_category[sources[at]], texts.around[sources[at]]
            if by_category is not None:
                shown[at] = by_category[columns.categories[items[at]]]
            elif words and (pair := codes[at] - first_pair) >= 0 and (title := columns.titles[anchors[pair]]):
                shown[at] = f"{words[0]}{title}{words[1]}"
        pick = picker(items)
        return Rows(list(pick(columns.ids)), list(pick(columns.titles)), scores, names, shown, list(items))

    def _sources_of(self, codes: Sequence[int], pair_sources: bytes) -> bytes:
        """The source that each code stands for."""
        by_code = self._own_sources + pair_sources
        if isinstance(codes, bytes):
            return codes.translate(by_code.ljust(256, b"\0"))
        return bytes(picker(codes)(by_code))

    def _of(self, segment: str) -> _Texts:
        made = self._texts[segment] = _Texts(self._sources, segment)
        return made

    def _loaded(self, items: Sequence[int], anchors: Sequence[int]) -> ItemColumns:
        """Columns that have these items and anchors."""
        columns = self._columns
        if columns.n_loaded > CACHED_ITEMS:
            columns = self._columns = ItemColumns(self._items)
        columns.load(items)
        columns.load(anchors)
        return columns
