"""Landed rows of erased users, left out of what is ingested."""

from __future__ import annotations

from pyspark.sql import DataFrame

from contracts.layout import Layout
from features import erased
from jobs.erasing.register import register_of


def without_erased(rows: DataFrame, layout: Layout) -> DataFrame | None:
    """`rows` without those of erased users; None where nobody was ever erased, so that nothing has to be hashed.

    Raises:
        InputInvalid: the register or its key is damaged.
    """
    register = register_of(layout)
    entries = register.entries()
    if not entries:
        return None
    hashes = rows.sparkSession.createDataFrame([(one,) for one in entries], "hash string")
    pads = register.pads()
    return erased.without(rows, hashes, inner=pads.inner, outer=pads.outer)
