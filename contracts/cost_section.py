"""The section of the settings that says what a store charges."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.sections import Positive, Section

Dollars = Annotated[float, msgspec.Meta(ge=0)]


class Costs(Section, frozen=True):
    """Prices in dollars, as of late 2026 in the cheapest regions; look up your own.

    Attributes:
        write_units_million: on-demand write units of a table.
        read_units_million: on-demand read units of a table.
        table_gigabyte_month: storage in a table.
        puts_thousand: requests that write an object.
        gets_thousand: requests that read an object.
        object_gigabyte_month: storage of objects.
        nights_month: snapshots published in a month.
    """

    write_units_million: Dollars = 0.625
    read_units_million: Dollars = 0.125
    table_gigabyte_month: Dollars = 0.25
    puts_thousand: Dollars = 0.005
    gets_thousand: Dollars = 0.0004
    object_gigabyte_month: Dollars = 0.023
    nights_month: Positive = 30
