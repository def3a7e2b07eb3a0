"""A request that DynamoDB would refuse is refused before it is sent, whatever the server at hand lets pass."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from contracts.errors import InputInvalid
from export.stores.dynamodb.service.sizes import (
    MAX_BATCH_ITEMS,
    MAX_BATCH_KEYS,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_ITEM_BYTES,
    MAX_PARTITION_KEY_BYTES,
    MAX_REQUEST_BYTES,
    MAX_SORT_KEY_BYTES,
    item_bytes,
)

LARGEST: Final = Decimal("9.9999999999999999999999999999999999999E+125")
SMALLEST: Final = Decimal("1E-130")
KEY_NAMES: Final = ("pk", "sk")
TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")


def attach(client: Any) -> None:
    """From now on every request of the client is checked as it would go over the wire.

    Args:
        client: a boto3 DynamoDB client; tables have the string keys `pk` and `sk`.
    """
    client.meta.events.register("before-sign.dynamodb", _check_signed, unique_id="larder-strict")


def _check_signed(request: Any, operation_name: str, **_: Any) -> None:
    body = request.data
    check_request(operation_name, body if isinstance(body, bytes) else body.encode())


def check_request(operation: str, body: bytes) -> None:
    """Passes where DynamoDB would accept the request.

    Args:
        operation: such as `BatchWriteItem`.
        body: the JSON that is sent.

    Raises:
        InputInvalid: it breaks a limit or a rule.
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise refused(f"A request has {len(body):,} bytes, the limit is {MAX_REQUEST_BYTES:,}", operation)
    request = msgspec.json.decode(body)
    check = _CHECKS.get(operation)
    if check is not None:
        check(request)


def check_item(item: Mapping[str, Any]) -> None:
    """Passes where DynamoDB would store the item.

    Raises:
        InputInvalid: it is too large, its key is wrong, or a value is.
    """
    check_key({name: item[name] for name in KEY_NAMES if name in item})
    for name, value in item.items():
        if not name:
            raise refused("An attribute has no name", "item")
        _check_value(value, name, 0)
    size = item_bytes(item)
    if size > MAX_ITEM_BYTES:
        raise refused(f"The item takes {size:,} bytes, the limit is {MAX_ITEM_BYTES:,}", str(item["pk"])[:80])


def check_key(key: Mapping[str, Any]) -> None:
    """Passes where the key is two strings that are neither empty nor too long.

    Raises:
        InputInvalid: it is not.
    """
    if set(key) != set(KEY_NAMES):
        raise refused(f"The key has the attributes {sorted(key)}", "key")
    for name, limit in zip(KEY_NAMES, (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES), strict=True):
        value = key[name]
        if list(value) != ["S"] or not isinstance(value["S"], str):
            raise refused("A key attribute is not a string", name)
        if not 0 < len(value["S"].encode()) <= limit:
            raise refused(f"A key attribute is empty or longer than {limit} bytes", name)


def refused(what: str, where: str) -> InputInvalid:
    """The error for what DynamoDB would answer with a ValidationException."""
    return InputInvalid(what, where=where, todo="Correct what is sent: DynamoDB refuses it each time.")


def _check_value(value: Any, where: str, depth: int) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise refused("A value does not have exactly one type", where)
    if depth > MAX_DEPTH:
        raise refused(f"A value is nested deeper than {MAX_DEPTH} levels", where)
    ((kind, content),) = value.items()
    if kind in {"L", "M"}:
        nested: Sequence[Any] = list(content.values()) if kind == "M" else content
        for element in nested:
            _check_value(element, where, depth + 1)
    elif kind in {"SS", "NS", "BS"}:
        if not content or len(set(content)) != len(content):
            raise refused("A set is empty or has a value twice", where)
        for element in content:
            _check_scalar(kind[0], element, where)
    else:
        _check_scalar(kind, content, where)


def _check_scalar(kind: str, content: Any, where: str) -> None:
    if kind in {"BOOL", "NULL"}:
        is_right = content is True or (kind == "BOOL" and content is False)
    elif kind not in {"S", "N", "B"} or not isinstance(content, str):
        is_right = False
    elif kind == "N":
        is_right = _is_number(content)
    else:
        is_right = kind == "S" or _is_base64(content)
    if not is_right:
        raise refused(f"{str(content)[:40]!r} is no value of type {kind}", where)


def _is_number(text: str) -> bool:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    if not number.is_finite():
        return False
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    return len(digits) <= MAX_DIGITS and (not digits or SMALLEST <= number.copy_abs() <= LARGEST)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _check_batch_write(request: Mapping[str, Any]) -> None:
    asked = [(table, one) for table, many in request["RequestItems"].items() for one in many]
    if not 0 < len(asked) <= MAX_BATCH_ITEMS:
        raise refused(f"A batch has {len(asked)} items, the limit is {MAX_BATCH_ITEMS}", "BatchWriteItem")
    seen = set()
    for table, one in asked:
        ((kind, content),) = one.items()
        if kind == "PutRequest":
            check_item(content["Item"])
            key = {name: content["Item"][name] for name in KEY_NAMES}
        else:
            key = content["Key"]
        seen.add(_checked(table, key))
    if len(seen) != len(asked):
        raise refused("A batch has the same key twice", "BatchWriteItem")


def _check_batch_get(request: Mapping[str, Any]) -> None:
    asked = [(table, key) for table, many in request["RequestItems"].items() for key in many["Keys"]]
    if not 0 < len(asked) <= MAX_BATCH_KEYS:
        raise refused(f"A batch has {len(asked)} keys, the limit is {MAX_BATCH_KEYS}", "BatchGetItem")
    if len({_checked(table, key) for table, key in asked}) != len(asked):
        raise refused("A batch has the same key twice", "BatchGetItem")


def _checked(table: str, key: Mapping[str, Any]) -> tuple[str, str, str]:
    _check_table(table)
    check_key(key)
    return table, key["pk"]["S"], key["sk"]["S"]


def _check_put(request: Mapping[str, Any]) -> None:
    _check_table(request["TableName"])
    _check_values_used(request)
    check_item(request["Item"])


def _check_one(request: Mapping[str, Any]) -> None:
    _checked(request["TableName"], request["Key"])
    _check_values_used(request)


def _check_table(name: str) -> None:
    if not TABLE_NAME.fullmatch(name):
        raise refused(f"{name!r} is no name of a table", "TableName")


def _check_values_used(request: Mapping[str, Any]) -> None:
    text = " ".join(str(value) for name, value in request.items() if name.endswith("Expression"))
    for names in ("ExpressionAttributeValues", "ExpressionAttributeNames"):
        for name in request.get(names, {}):
            if not re.search(rf"{re.escape(name)}\b", text):
                raise refused(f"{name} is used in no expression", names)


_CHECKS: Final[dict[str, Callable[[Mapping[str, Any]], None]]] = {
    "BatchWriteItem": _check_batch_write,
    "BatchGetItem": _check_batch_get,
    "PutItem": _check_put,
    "GetItem": _check_one,
    "DeleteItem": _check_one,
    "UpdateItem": _check_one,
    "Query": _check_values_used,
    "Scan": _check_values_used,
}
