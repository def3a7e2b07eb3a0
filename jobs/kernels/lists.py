"""Top-N lists and fallback lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from contracts.settings import Placement
from jobs.kernels.blocks import Kitchen
from jobs.kernels.exploring import Exploring
from jobs.kernels.shelves import ShelfFolder
from models.exploration import Explored
from models.ragged import Int32, lists, offsets_of, rows_of, to_lists
from models.rerank import Lists
from models.sources.neighbours import Neighbours
from models.sources.registry import Catalogue
from models.stages import StageContext, fixed, lists_of, remove
from models.user_block import UserBlock, read_block

LIST_SCHEMA: Final = (
    "placement string, user_idx int, item_idx array<int>, scores array<float>, reasons array<int>, anchors array<int>, "
    "usual_idx array<int>, propensities array<float>"
)


def rerank(
    ranked: DataFrame,
    users: DataFrame,
    kitchen: Kitchen,
    shelf: ShelfFolder,
    placements: dict[str, Placement],
    exploring: Exploring,
    *,
    repeats: bool,
) -> DataFrame:
    """Lists of the placements' length, with the reason and the anchor of each item.

    Args:
        ranked: rows of the table `ranked` of the kitchen's date.
        users: `user_frame` of the same date.
        kitchen: artifacts and settings.
        shelf: of the same date.
        placements: by name.
        exploring: which slots are explored.
        repeats: whether the shop allows repeats at all.
    """
    renamed = ranked.withColumnRenamed("item_idx", "ranked_idx")

    def rerank_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = kitchen.catalogue()
        for name, batch, context in in_placements(blocks, catalogue, shelf, placements, repeats=repeats):
            slots = _slots(scored_in(batch), context, exploring, catalogue, name)
            yield _to_batch(batch, slots, _anchors(slots.lists, context.block, kitchen))

    return users.join(renamed, "user_idx").mapInArrow(rerank_blocks, LIST_SCHEMA)


def in_placements(
    blocks: Iterable[pa.RecordBatch],
    catalogue: Catalogue,
    shelf: ShelfFolder,
    placements: dict[str, Placement],
    *,
    repeats: bool,
) -> Iterator[tuple[str, pa.RecordBatch, StageContext]]:
    """The rows of each block and placement, with what the stages know of them.

    Args:
        blocks: rows of users with their ranked items, the placements mixed.
        catalogue: artifacts of the date.
        shelf: of the same date.
        placements: by name.
        repeats: whether the shop allows repeats at all.
    """
    for mixed in blocks:
        for name, placement in placements.items():
            batch = mixed.filter(pc.equal(mixed.column("placement"), name))
            if batch.num_rows:
                block, may = read_block(batch, catalogue.items.n_items), placement.repeats and repeats
                yield name, batch, context_of(block, catalogue, shelf, name, placement, may_repeat=may)


def _slots(
    scored: Lists, context: StageContext, exploring: Exploring, catalogue: Catalogue, placement: str
) -> Explored:
    """The lists after every stage, some of their slots explored."""
    made, may = lists_of(scored, context), remove(scored, context)
    return exploring.explored(made, may, context.block.user_idx, catalogue, placement, fixed(context))


def popular_order(catalogue: Catalogue) -> Int32:
    """Allowed items by their buyers of 28 days, then 84 days, then ever; ties by lower index."""
    ever, quarter, month = (catalogue.number(name) for name in ("buyers", "buyers_84", "buyers_28"))
    order = np.lexsort((np.arange(len(ever)), -ever, -quarter, -month))
    return order[catalogue.allowed[order]].astype(np.int32)


def context_of(
    block: UserBlock, catalogue: Catalogue, shelf: ShelfFolder, name: str, placement: Placement, *, may_repeat: bool
) -> StageContext:
    """What the stages know of a block of users in a placement.

    Args:
        block: the users.
        catalogue: artifacts of the date.
        shelf: of the same date.
        name: of the placement.
        placement: where the lists show.
        may_repeat: whether a user may be shown what the user bought before.
    """
    return StageContext(
        block=block,
        items=catalogue.items,
        allowed=catalogue.allowed,
        popular=popular_order(catalogue),
        placement=placement,
        may_repeat=may_repeat,
        fill_reason=catalogue.settings.reasons.index("popular"),
        aims=shelf.aims(catalogue, name, placement),
        rules=shelf.rules(name),
        pinned_reason=shelf.pinned_reason,
    )


def scored_in(batch: pa.RecordBatch) -> Lists:
    """The candidates of a batch, best first, with the source that ranked each best as its reason."""
    offsets, items = lists(batch.column("ranked_idx"))
    return Lists(rows_of(offsets), items, lists(batch.column("scores"))[1], lists(batch.column("main_sources"))[1])


def _anchors(made: Lists, block: UserBlock, kitchen: Kitchen) -> Int32:
    anchors = np.full(len(made.rows), -1, dtype=np.int32)
    for position, source in enumerate(kitchen.sources().values()):
        if isinstance(source, Neighbours):
            explained = made.reasons == position
            anchors[explained] = source.anchors(block, made.rows[explained], made.items[explained])
    return anchors


def _to_batch(batch: pa.RecordBatch, slots: Explored, anchors: Int32) -> pa.RecordBatch:
    made = slots.lists
    offsets = offsets_of(made.rows, batch.num_rows)
    columns = {
        "placement": batch.column("placement"),
        "user_idx": batch.column("user_idx"),
        "item_idx": to_lists(offsets, made.items, pa.int32()),
        "scores": to_lists(offsets, made.scores, pa.float32()),
        "reasons": to_lists(offsets, made.reasons, pa.int32()),
        "anchors": to_lists(offsets, anchors, pa.int32()),
        "usual_idx": to_lists(offsets, slots.usual, pa.int32()),
        "propensities": to_lists(offsets, slots.propensities, pa.float32()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
