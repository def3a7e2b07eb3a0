from __future__ import annotations

import itertools
import os
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from contracts.errors import InputInvalid
from export.stores.dynamodb.service import strict, table
from tests.stores.servers import processes

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
numbers = itertools.count(1)


def check(operation: str, **request: Any) -> None:
    """Checks a request by its JSON."""
    strict.check_request(operation, msgspec.json.encode(request))


def put(**item: Any) -> None:
    """Checks a PutItem of an item with a good key."""
    check("PutItem", TableName="table", Item={**KEY, **item})


def keys(n: int) -> list[dict[str, Any]]:
    """Different keys."""
    return [{"pk": {"S": str(i)}, "sk": {"S": "s"}} for i in range(n)]


@pytest.mark.parametrize(
    "value",
    [{"N": "1" * 39}, {"N": "1e126"}, {"N": "1e-131"}, {"N": "NaN"}, {"N": "Infinity"}, {"N": "one"}, {"N": 1.5},
     {"N": 1}, {"S": 1}, {"B": "!"}, {"SS": []}, {"NS": ["1", "1"]}, {"F": 1.5}, {}, {"S": "a", "N": "1"}, 1.5, "a",
     {"L": ["a"]}, {"L": [{"N": 2}]}, {"M": {"x": {"N": "x"}}}, {"NULL": False}, {"BOOL": "true"},
     {"S": "x" * 409_600}],
)  # fmt: skip
def test_values_that_the_service_refuses(value: Any) -> None:
    """Floats, untyped values, more than 38 digits, empty sets and the like never leave the process."""
    with pytest.raises(InputInvalid):
        put(a=value)


def test_values_at_the_limit_pass() -> None:
    """38 digits, the largest and smallest number, empty strings and binaries that are no key, 400 KB."""
    put(a={"N": "1" * 38}, b={"N": "9.9999999999999999999999999999999999999E+125"}, c={"N": "-1E-130"}, d={"N": "0"})
    put(a={"S": ""}, b={"B": ""}, c={"L": []}, d={"M": {}}, e={"NULL": True}, f={"BOOL": False}, g={"SS": ["a", "b"]})
    put(a={"S": "x" * (409_600 - 1 - len("pkask") - 1)})
    deep: dict[str, Any] = {"S": "x"}
    for _ in range(32):
        deep = {"L": [deep]}
    put(a=deep)
    with pytest.raises(InputInvalid, match="nested"):
        put(a={"L": [deep]})


@pytest.mark.parametrize(
    "key",
    [{"pk": {"S": ""}, "sk": {"S": "b"}}, {"pk": {"S": "a"}, "sk": {"S": ""}}, {"pk": {"S": "a"}},
     {"pk": {"N": "1"}, "sk": {"S": "b"}}, {"pk": {"S": "a" * 2049}, "sk": {"S": "b"}},
     {"pk": {"S": "a"}, "sk": {"S": "é" * 513}}, {"pk": {"S": "a"}, "sk": {"S": "b"}, "x": {"S": "c"}}],
)  # fmt: skip
def test_keys_that_the_service_refuses(key: Any) -> None:
    """Empty, absent, of another type, too long or too many key attributes."""
    for operation in ("GetItem", "DeleteItem"):
        with pytest.raises(InputInvalid):
            check(operation, TableName="table", Key=key)
    with pytest.raises(InputInvalid):
        check("BatchGetItem", RequestItems={"table": {"Keys": [key]}})


def test_batches_that_the_service_refuses() -> None:
    """26 items, 101 keys, none, a key twice even where one is put and one deleted, 16 MB."""

    def write(puts: list[Any], *, deletes: list[Any] = []) -> None:  # noqa: B006  it is only read
        asked = [{"PutRequest": {"Item": one}} for one in puts] + [{"DeleteRequest": {"Key": one}} for one in deletes]
        check("BatchWriteItem", RequestItems={"table": asked})

    write(keys(25))
    check("BatchGetItem", RequestItems={"table": {"Keys": keys(100)}})
    for puts, deletes in ((keys(26), []), ([], []), ([KEY, KEY], []), ([KEY], [KEY])):
        with pytest.raises(InputInvalid):
            write(puts, deletes=deletes)
    for many in (keys(101), [], [KEY, KEY]):
        with pytest.raises(InputInvalid):
            check("BatchGetItem", RequestItems={"table": {"Keys": many}})
    with pytest.raises(InputInvalid, match="16,777,216"):
        write([{**one, "a": {"B": "A" * 700_000}} for one in keys(25)])


def test_names_and_expressions_that_the_service_refuses() -> None:
    """A table's name of two letters, an attribute without a name, a value that no expression uses."""
    with pytest.raises(InputInvalid, match="no name of a table"):
        check("PutItem", TableName="tt", Item=KEY)
    with pytest.raises(InputInvalid, match="no name"):
        put(**{"": {"S": "x"}})
    used = {"ConditionExpression": "version = :seen", "ExpressionAttributeValues": {":seen": {"N": "1"}}}
    check("PutItem", TableName="table", Item=KEY, **used)
    with pytest.raises(InputInvalid, match=":see is used"):
        check("PutItem", TableName="table", Item=KEY, **{**used, "ExpressionAttributeValues": {":see": {"N": "1"}}})


def test_a_client_with_it_refuses_what_a_stand_in_lets_pass(moto_server: str) -> None:
    """A batch of 26 is stored by the stand-in, and never reaches it once the client is strict."""
    client = processes.client("dynamodb", moto_server)
    name = f"strict-{os.getpid()}-{next(numbers)}"
    table.create(client, name)
    asked = [{"PutRequest": {"Item": key}} for key in keys(26)]
    strict.attach(client)
    with pytest.raises(InputInvalid, match="26 items, the limit is 25"):
        client.batch_write_item(RequestItems={name: asked})
    assert client.scan(TableName=name)["Count"] == 0
    client.batch_write_item(RequestItems={name: asked[:25]})
    assert client.scan(TableName=name)["Count"] == 25


def test_the_real_rules_are_those_of_the_server(dynamodb_server: str) -> None:
    """An item of 400 KB by our count is taken and one byte more is refused, by both; the same for 38 digits."""
    client = processes.client("dynamodb", dynamodb_server)
    name = f"strict-{os.getpid()}-{next(numbers)}"
    table.create(client, name)
    items = [{**KEY, "a": {"S": "x" * (409_600 - 7 + more)}} for more in (0, 1)]
    items += [{**KEY, "a": {"N": "1" * n}} for n in (38, 39)]
    for item, is_good in zip(items, (True, False, True, False), strict=True):
        if is_good:
            strict.check_item(item)
            client.put_item(TableName=name, Item=item)
            continue
        with pytest.raises(InputInvalid):
            strict.check_item(item)
        with pytest.raises(ClientError, match="ValidationException"):
            client.put_item(TableName=name, Item=item)
