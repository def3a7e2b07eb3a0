"""A shop's item and user catalogues in landing files, every column kept."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from contracts.errors import InputInvalid
from jobs.shops import source_files, values
from jobs.shops.columns import CATALOGUE_NUMBERS, CATALOGUE_TEXTS, Mapping
from jobs.shops.day_files import write_part


def land_catalogue(source: Path, file: Path, mapping: Mapping) -> tuple[int, list[str]]:
    """Rows written and the column names they have.

    Args:
        source: a file or a folder of files.
        file: the landing file to write.
        mapping: the shop's columns.

    Raises:
        InputInvalid: a corrupt file, or lists where single values belong.
    """
    texts = {*CATALOGUE_TEXTS, *(mapping.columns.get(ours, ours) for ours in CATALOGUE_TEXTS)}
    table = source_files.whole(source, texts)
    names = mapping.landing_names(table.column_names)
    arrays = []
    for ours, column in zip(names, table.columns, strict=True):
        try:
            arrays.append(
                pa.chunked_array([_typed(ours, chunk) for chunk in column.chunks or [pa.array([], column.type)]])
            )
        except pa.ArrowException as error:
            raise InputInvalid(
                f"Column {ours} has values of type {column.type}.", where=str(source), todo="Export single values."
            ) from error
    landed = pa.table(arrays, names=names)
    return write_part(file, [landed], landed.schema), names


def _typed(ours: str, column: pa.Array) -> pa.Array:
    if ours in CATALOGUE_TEXTS:
        return values.as_text(column)
    return values.as_number(column) if ours in CATALOGUE_NUMBERS else values.for_spark(column)
