"""What DynamoDB charges and refuses: bytes of an item, write and read units, limits of a request.

An item is typed as on the wire: attribute name -> {type: value}, numbers as text, binary as base64 text. Sizes follow
the developer guide's "Item sizes and formats"; a number takes the upper of what its "approximately" allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

Typed = Mapping[str, Any]
"""One attribute value, such as `{"S": "tea"}`."""

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_BATCH_ITEMS: Final = 25
MAX_BATCH_KEYS: Final = 100
MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
MAX_PARTITION_KEY_BYTES: Final = 2048
MAX_SORT_KEY_BYTES: Final = 1024
MAX_DEPTH: Final = 32
MAX_DIGITS: Final = 38
WRITE_UNIT_BYTES: Final = 1024
READ_UNIT_BYTES: Final = 4096
LIST_OVERHEAD: Final = 3
ELEMENT_OVERHEAD: Final = 1


def item_bytes(item: Mapping[str, Typed]) -> int:
    """Bytes that DynamoDB counts for an item, attribute names included."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Typed) -> int:
    """Bytes that DynamoDB counts for one attribute value."""
    ((kind, content),) = value.items()
    if kind == "L":
        return LIST_OVERHEAD + sum(ELEMENT_OVERHEAD + value_bytes(element) for element in content)
    if kind == "M":
        return LIST_OVERHEAD + len(content) * ELEMENT_OVERHEAD + item_bytes(content)
    if kind in {"SS", "NS", "BS"}:
        return sum(value_bytes({kind[0]: element}) for element in content)
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return number_bytes(content)
    return binary_bytes(content) if kind == "B" else 1


def binary_bytes(base64: str) -> int:
    """Bytes that base64 text stands for."""
    return len(base64) // 4 * 3 - base64[-2:].count("=")


def number_bytes(text: str) -> int:
    """Bytes of a number: one, one more for two significant digits, and one for a minus sign.

    Digits are paired from the decimal point, so that an even number of them may lie across one more pair.
    """
    sign, digits, exponent = Decimal(text).as_tuple()
    stripped = "".join(map(str, digits)).lstrip("0")
    kept = stripped.rstrip("0")
    if not kept or not isinstance(exponent, int):
        return 1
    exponent += len(stripped) - len(kept)
    is_across = len(kept) % 2 == 0 and exponent % 2 != 0
    return 1 + (len(kept) + 1) // 2 + is_across + sign


def write_units(n_bytes: int) -> int:
    """Write units of one item; deleting an item costs what it took, and one at least."""
    return max(1, -(-n_bytes // WRITE_UNIT_BYTES))


def read_units(n_bytes: int, *, is_consistent: bool = False) -> float:
    """Read units of one request for items of so many bytes in all; a miss counts as one byte."""
    return max(1, -(-n_bytes // READ_UNIT_BYTES)) * (1.0 if is_consistent else 0.5)
