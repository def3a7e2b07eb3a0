from __future__ import annotations

from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.tables import Column, Table
from jobs import lake

OLD = Table("counts", "Counts.", (Column("n", "int", "Count."),), key=("n",))
WIDER = Table("counts", "Counts.", (*OLD.columns, Column("note", "string", "Why.", nullable=True)), key=("n",))
STRICTER = Table("counts", "Counts.", (*OLD.columns, Column("day", "date", "When.")), key=("n",))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A lake whose table `counts` has one row and no column but `n`."""
    made = Layout(tmp_path)
    lake.create(made, OLD)
    rows = pa.table({"n": pa.array([7], pa.int32())}, pa.schema([pa.field("n", pa.int32(), nullable=False)]))
    deltalake.write_deltalake(str(made.table(OLD)), rows, mode="append")
    return made


def test_a_table_gets_the_nullable_columns_it_lacks(layout: Layout) -> None:
    """The new column is null in the row that was there, and a second time changes nothing."""
    lake.create(layout, WIDER)
    version = lake.version(layout, WIDER)
    lake.create(layout, WIDER)
    table = deltalake.DeltaTable(str(layout.table(WIDER)))
    assert pa.table(table.to_pyarrow_table()).to_pylist() == [{"n": 7, "note": None}]
    assert lake.version(layout, WIDER) == version


def test_a_column_that_may_not_be_null_is_asked_of_a_person(layout: Layout) -> None:
    """Rows that are there have no value for it."""
    with pytest.raises(InputInvalid, match="The table counts lacks the columns day"):
        lake.create(layout, STRICTER)
