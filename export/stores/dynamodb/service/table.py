"""One table, called through a boto3 client: every call is tried again within its patience, every failure is named."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts.errors import InputInvalid, InputMissing, LarderError, StoreUnreachable
from export.stores.dynamodb.service.sizes import MAX_BATCH_KEYS
from export.stores.dynamodb.service.wire import Key, Request, batch_body, request_key, typed_key
from export.stores.dynamodb.service.writer import Throttled
from export.stores.retrying import Calls, Limits, Retrying, Truncated, code_of

Item = Mapping[str, Any]

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
THROTTLING: Final = {
    "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
    "LimitExceededException", "TooManyRequestsException",
}  # fmt: skip
ONCE: Final = Limits(attempts=1)
_thread: Final = threading.local()


@dataclass(frozen=True, slots=True)
class BatchRead:
    """What came of one batch of keys.

    Attributes:
        found: items by key; a key that is in neither of both is not in the table.
        unread: keys that no answer came for.
        error: why.
    """

    found: Mapping[Key, Item]
    unread: frozenset[Key] = frozenset()
    error: LarderError | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the string keys `pk` and `sk`. Safe to share between threads.

    Attributes:
        client: a boto3 DynamoDB client that does not retry by itself.
        calls: tries, waits and deadline of everything that is asked of this object.
        until: no `within` goes beyond this time of the clock.
    """

    client: Any
    name: str
    calls: Calls
    until: float = math.inf

    def __post_init__(self) -> None:
        events = self.client.meta.events
        events.register("before-call.dynamodb.BatchWriteItem", _use_encoded_body, unique_id="larder-encoded-body")
        events.register("response-received.dynamodb", _check_whole, unique_id="larder-whole-answer")

    @property
    def where(self) -> str:
        """The table, for messages."""
        return f"dynamodb://{self.name}"

    def within(self, seconds: float) -> Table:
        """The same table, with so much time from now for what follows, never beyond `until`."""
        give_up_at = min(self.calls.retrying.waiting.clock() + seconds, self.until)
        return replace(self, calls=Calls(self.calls.retrying, give_up_at))

    def bounded(self, seconds: float) -> Table:
        """The same table, with so much time from now for everything together."""
        made = replace(self, until=self.calls.retrying.waiting.clock() + seconds)
        return made.within(seconds)

    def named(self, name: str) -> Table:
        """Another table of the same server."""
        return replace(self, name=name)

    def put(self, item: Item, *, condition: str = "", values: Item | None = None) -> bool:
        """Whether the item was put: False where the condition did not hold.

        After a lost reply, a put that was made may find its own condition broken: then too it is False.
        """
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = values
        return self._conditional("put_item", Item=item, **more)

    def delete(self, key: Key, *, condition: str = "", values: Item | None = None) -> bool:
        """Whether the item is gone: False where the condition did not hold."""
        more: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = values
        return self._conditional("delete_item", Key=typed_key(key), **more)

    def drop(self) -> None:
        """The table is gone, or was."""
        with suppress(InputMissing):
            self.call("delete_table", TableName=self.name)

    def exists(self) -> bool:
        """Whether there is such a table, ready or not."""
        try:
            self.call("describe_table", TableName=self.name)
        except InputMissing:
            return False
        return True

    def get(self, key: Key, *, is_consistent: bool) -> Item | None:
        """The item, or None where there is none."""
        answer = self.call("get_item", TableName=self.name, Key=typed_key(key), ConsistentRead=is_consistent)
        found: Item | None = answer.get("Item")
        return found

    def query(self, pk: str, *, is_consistent: bool, is_ascending: bool = True) -> Iterator[Item]:
        """The items of a partition by sort key, page after page."""
        arguments = {
            "ScanIndexForward": is_ascending,
            "TableName": self.name, "KeyConditionExpression": "pk = :pk", "ConsistentRead": is_consistent,
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        }  # fmt: skip
        return self._pages("query", arguments)

    def scan_keys(self, prefixes: Sequence[str]) -> Iterator[Key]:
        """Keys of all items whose partition key begins with one of `prefixes`; reads the whole table for it."""
        names = [f":p{i}" for i in range(len(prefixes))]
        arguments = {
            "TableName": self.name, "ProjectionExpression": "pk, sk", "ConsistentRead": True,
            "FilterExpression": " OR ".join(f"begins_with(pk, {name})" for name in names),
            "ExpressionAttributeValues": {name: {"S": one} for name, one in zip(names, prefixes, strict=True)},
        }  # fmt: skip
        return ((item["pk"]["S"], item["sk"]["S"]) for item in self._pages("scan", arguments))

    def get_many(self, keys: Sequence[Key], *, is_consistent: bool) -> dict[Key, Item]:
        """The items under `keys`, no key twice; what is not in the table is not in the answer."""
        found: dict[Key, Item] = {}
        for start in range(0, len(keys), MAX_BATCH_KEYS):
            read = self.get_batch(keys[start : start + MAX_BATCH_KEYS], is_consistent=is_consistent)
            if read.error is not None:
                raise read.error
            found |= read.found
        return found

    def get_batch(self, keys: Sequence[Key], *, is_consistent: bool) -> BatchRead:
        """What is known of at most a hundred keys, those left unprocessed asked for again; none of them twice."""
        found: dict[Key, Item] = {}
        left = list(keys)
        try:
            self._get_batch(left, found, is_consistent=is_consistent)
        except LarderError as error:
            return BatchRead(found, frozenset(left), error)
        return BatchRead(found)

    def send(self, batch: Sequence[Request]) -> set[Key]:
        """Keys of the batch that were left unprocessed; the call is tried once."""
        once = Calls(Retrying(self.where, self.calls.retrying.waiting, ONCE), self.calls.give_up_at)
        _thread.body = batch_body(self.name, batch)
        try:
            answer = once.run("BatchWriteItem", self._write_batch)
        except ClientError as error:
            raise self._named(error, "BatchWriteItem") from None
        finally:
            _thread.body = None
        return {request_key(one) for one in answer.get("UnprocessedItems", {}).get(self.name, ())}

    def call(self, operation: str, **arguments: Any) -> Any:
        """The answer of one operation of the client.

        Raises:
            StoreUnreachable: it failed until tries, allowance or time were used up.
            StoreDenied: the credentials are refused.
            InputMissing: there is no such table.
            InputInvalid: the request is refused as such.
            ConditionFailed: the condition of a write did not hold.
        """
        try:
            return self.calls.run(operation, lambda: getattr(self.client, operation)(**arguments))
        except ClientError as error:
            raise self._named(error, operation) from None

    def _write_batch(self) -> Any:
        try:
            return self.client.batch_write_item(RequestItems={})
        except ClientError as error:
            if code_of(error) in THROTTLING:
                raise Throttled(code_of(error)) from None
            raise

    def _conditional(self, operation: str, **arguments: Any) -> bool:
        try:
            self.call(operation, TableName=self.name, **arguments)
        except ConditionFailed:
            return False
        return True

    def _get_batch(self, left: list[Key], found: dict[Key, Item], *, is_consistent: bool) -> None:
        """Moves from `left` to `found` what is answered, until nothing is left."""
        limits, waiting = self.calls.retrying.limits, self.calls.retrying.waiting
        n_idle, n_all = 0, len(left)
        while left:
            asked = {"Keys": [typed_key(key) for key in left], "ConsistentRead": is_consistent}
            answer = self.call("batch_get_item", RequestItems={self.name: asked})
            for item in answer.get("Responses", {}).get(self.name, ()):
                found[item["pk"]["S"], item["sk"]["S"]] = item
            rest = answer.get("UnprocessedKeys", {}).get(self.name, {"Keys": ()})["Keys"]
            again = [(key["pk"]["S"], key["sk"]["S"]) for key in rest]
            n_idle = 0 if len(again) < len(left) else n_idle + 1
            left[:] = again
            if not left:
                return
            wait = waiting.chance.uniform(0, min(limits.cap_seconds, limits.first_seconds * 2**n_idle))
            if n_idle >= limits.attempts or waiting.clock() + wait >= self.calls.give_up_at:
                raise StoreUnreachable(
                    f"BatchGetItem left {len(left)} of {n_all} keys unread",
                    where=self.where,
                    todo="Look at the table's throttling.",
                )
            waiting.sleep(wait)

    def _pages(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[Item]:
        after: dict[str, Any] = {}
        while True:
            page = self.call(operation, **arguments, **after)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            after = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _named(self, error: ClientError, operation: str) -> Exception:
        code = code_of(error)
        if code == CONDITION_FAILED:
            return ConditionFailed(code)
        if code == "ResourceNotFoundException":
            return InputMissing("There is no such table", where=self.where, todo="Make it: docs/stores.md says how.")
        if code == "ValidationException":
            return InputInvalid(f"{operation} is not valid", where=self.where, todo="Correct what is sent.")
        return LarderError(f"{operation} was refused: {code}", where=self.where, todo="Look up the service's code.")


class ConditionFailed(Exception):
    """The condition of a write did not hold."""


def create(client: Any, name: str) -> None:
    """An empty on-demand table that is ready for use, for a first set-up and for tests."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})


def _use_encoded_body(params: dict[str, Any], **_: Any) -> None:
    """Sends what was encoded beforehand: botocore's own walk over every value takes most of a batch's time."""
    body = getattr(_thread, "body", None)
    if body is not None:
        params["body"] = body


def _check_whole(response_dict: dict[str, Any] | None, **_: Any) -> None:
    """Refuses an answer that was cut short or changed: botocore takes JSON that it cannot read for an empty answer."""
    if response_dict is None:
        return
    body, headers = response_dict["body"], response_dict["headers"]
    length, crc = headers.get("content-length"), headers.get("x-amz-crc32")
    if (length is not None and int(length) != len(body)) or (crc is not None and int(crc) != zlib.crc32(body)):
        raise Truncated("an answer is not what was sent")
