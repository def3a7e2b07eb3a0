"""The kitchen of a date: its artifacts, shared with the Python workers."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Settings
from features.user_rows import user_frame
from jobs import storage
from jobs.artifacts import SharedFolder
from jobs.kernels.blocks import Kitchen

KINDS = ("item_arrays", "als", "neighbours")


def kitchen_of(spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date) -> Kitchen:
    """Artifacts and settings for the candidates of a date.

    Raises:
        InputMissing: an artifact of that date was not made.
    """
    folders = []
    for kind in KINDS:
        folder = layout.artifact(kind, as_of)
        if not folder.is_dir():
            raise InputMissing(
                f"There is no artifact {kind} as of {as_of}.",
                where=str(folder),
                todo=f"Run the step that makes it with --as-of {as_of}.",
            )
        folders.append(SharedFolder(spark, folder).open)
    return Kitchen((folders[0], folders[1], folders[2]), settings.candidates, as_of)


def users_of(spark: SparkSession, layout: Layout, as_of: dt.date) -> DataFrame:
    """One row a user with a history as of a date, with its features."""
    return user_frame(
        storage.read_as_of(spark, layout, tables.HISTORIES, as_of),
        storage.read_as_of(spark, layout, tables.USER_FEATURES, as_of),
    )
