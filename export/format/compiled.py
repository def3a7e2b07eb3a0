"""The compiled reader of records, `_compiled.pyx`, where the machine that installed Larder had a C compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, Protocol, cast


class Compiled(Protocol):
    """What it has; each function does what plain ones of `export.format.records` and `export.stores.coded` do."""

    def split(self, data: bytes, item_bits: int, source_bits: int) -> tuple[bytes, int, dict[int, int]] | None:
        """See `export.format.records.split`."""
        ...

    def shown(
        self,
        data: bytes,
        at: int,
        k: int,
        item_bits: int,
        source_bits: int,
        is_loaded: bytearray,
        ids: list[str],
        titles: list[str | None],
        categories: list[str | None],
        names: list[str],
        plain: list[str],
        around: Sequence[tuple[str, str] | None],
        of_category: Sequence[Mapping[str | None, str] | None],
    ) -> tuple[list[str], list[str | None], list[float], list[str], list[str], list[int]] | None:
        """The best `k` of the list that begins at `at`: item ids, titles, scores, source names, reasons, item indices.

        Args:
            data: the record.
            at: where the list begins.
            k: at least 1.
            item_bits: bits of an item index.
            source_bits: bits of a source.
            is_loaded: by item index, 1 where the next three columns have it.
            ids: item ids.
            titles: of items, None where there is none.
            categories: the same.
            names: of sources, by source, as the next three.
            plain: reasons that name nothing particular.
            around: what stands before and after an anchor's title, None where a reason names no anchor.
            of_category: reasons by the item's category, None where a reason names no category.

        Returns:
            None where the list is empty, something of it is not loaded, or a number lies beyond its table.
        """
        ...


def _found() -> Compiled | None:
    try:
        return cast("Compiled", import_module("export.format._compiled"))
    except ImportError:
        return None


compiled: Final = _found()
"""None where it was not built."""
