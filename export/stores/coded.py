"""A coded list as it is shown: each column is picked out of a table of its own, whatever the list is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from export import reasons
from export.format.items import CACHED_ITEMS, ItemColumns, ItemDictionary
from export.format.records import CodedList, Widths
from export.stores.base import Rows

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
    """What the codes of one segment's lists stand for.

    Attributes:
        sources: name by code.
        plain: reason by code, where nothing particular is known.
        of_category: reasons by source, of those that name the item's category.
    """

    def __init__(self, sources: tuple[str, ...], segment: str, n_codes: int) -> None:
        plans = reasons.plans(sources, segment)
        unused = [""] * (n_codes - len(sources))
        self.sources = [*sources, *unused]
        self.plain = [*(plain for _, plain, _, _ in plans), *unused]
        self.of_category = {i: _OfCategory(*plan[1:]) for i, plan in enumerate(plans) if plan[0] == "category"}
        self._around = [(before, after) if kind == "anchor" else None for kind, _, before, after in plans]

    def reasons(self, sources: bytes, titles: Sequence[str | None]) -> list[str]:
        """The reasons of pairs, whose anchors have these titles."""
        plain, named = self.plain, self._around
        return [
            around[0] + title + around[1] if (around := named[source]) and title else plain[source]
            for source, title in zip(sources, titles, strict=True)
        ]


class CodedLists:
    """Lists of one snapshot as they are shown. Safe to share between threads."""

    def __init__(self, items: ItemDictionary, sources: tuple[str, ...], widths: Widths) -> None:
        """Shows items of `items` with reasons of `sources`."""
        self._items, self._sources, self._n_codes = items, sources, 1 << widths.source_bits
        self._columns = ItemColumns(items)
        self._texts: dict[str, _Texts] = {}

    def shown(self, made: CodedList, segment: str) -> Rows:
        """The list of a user of a segment, not empty.

        Raises:
            SnapshotCorrupt: an item or an anchor is damaged.
        """
        items, scores, codes, anchors, pair_sources = made
        columns = self._columns if self._columns.is_full else self._loaded(items, anchors)
        texts = self._texts.get(segment) or self._of(segment)
        sources, plain, of_category = texts.sources, texts.plain, texts.of_category
        if anchors:
            plain = plain + texts.reasons(pair_sources, picker(anchors)(columns.titles))
            sources = sources + [sources[source] for source in pair_sources]
            if any(source in pair_sources for source in of_category):
                numbered = enumerate(pair_sources, self._n_codes)
                of_category = of_category | {i: of_category[one] for i, one in numbered if one in of_category}
        pick = picker(codes)
        shown, names = list(pick(plain)), list(pick(sources))
        for code, of_item in of_category.items():
            at = -1
            for _ in range(codes.count(code)):
                at = codes.index(code, at + 1)
                shown[at] = of_item[columns.categories[items[at]]]
        pick = picker(items)
        return Rows(list(pick(columns.ids)), list(pick(columns.titles)), scores, names, shown, list(items))

    def _of(self, segment: str) -> _Texts:
        made = self._texts[segment] = _Texts(self._sources, segment, self._n_codes)
        return made

    def _loaded(self, items: Sequence[int], anchors: Sequence[int]) -> ItemColumns:
        """Columns that have these items and anchors."""
        columns = self._columns
        if columns.n_loaded > CACHED_ITEMS:
            columns = self._columns = ItemColumns(self._items)
        columns.load(items)
        columns.load(anchors)
        return columns
