"""What a table and a column are, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: snake_case, with its unit where it has one.
        type: Spark SQL type, as written in DDL.
        doc: one sentence for the analyst.
        nullable: whether a null is allowed.
        derived_from: "table.column" of each column it is computed from, for column lineage.
    """

    name: str
    type: str
    doc: str
    nullable: bool = False
    derived_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: plural or past participle.
        doc: what one row is.
        columns: in order.
        key: columns that identify a row.
        partition: columns a write replaces as a whole.
        is_ranged: True where a load covers many days: kept in few large files ordered by the partition column, with
            no folder a day.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...] = ()
    is_ranged: bool = False

    @property
    def ddl(self) -> str:
        """The columns as a Spark DDL string."""
        return ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)

    @property
    def read_ddl(self) -> str:
        """The columns as a DDL string without constraints, for readers and UDF outputs."""
        return ", ".join(f"`{c.name}` {c.type}" for c in self.columns)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


AS_OF: Final = Column("as_of", "date", "The last day (UTC) whose events this row knows.")
USER: Final = Column("user_idx", "int", "Dense user index of the user vocabulary.")
ITEM: Final = Column("item_idx", "int", "Dense item index of the item vocabulary.")


def derived(column: Column, *derived_from: str) -> Column:
    """The same column, computed from `table.column` names."""
    return Column(column.name, column.type, column.doc, column.nullable, derived_from)
