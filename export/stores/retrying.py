"""Calls to a store that may fail: tried again with full jitter under a cap, within a deadline, and never as a storm.

Every failure ends as a `LarderError` that names the call and the store's own code, and nothing else of the reply: what
a server says may repeat a key or a token.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as Unconnected,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from contracts.errors import LarderError, StoreDenied, StoreUnreachable

T = TypeVar("T")


class Truncated(Exception):
    """An answer that is shorter than it said."""


BUSY_CODES: Final = {
    "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException",
    "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "TooManyRequestsException",
    "RequestThrottledException", "RequestLimitExceeded", "BandwidthLimitExceeded", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "LimitExceededException", "TransactionInProgressException",
    "RequestTimeout", "RequestTimeoutException", "ConditionalRequestConflict", "OperationAborted", "BadDigest",
    "XAmzContentChecksumMismatch", "IncompleteBody",
}  # fmt: skip
DENIED_CODES: Final = {
    "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthFailure", "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature", "IncompleteSignatureException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "OptInRequired", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "UnauthorizedAccess", "UnrecognizedClientException",
}  # fmt: skip
CREDENTIAL_ERRORS: Final = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError,
    UnauthorizedSSOTokenError,
)  # fmt: skip
BROKEN_ANSWERS: Final = (
    HTTPClientError, Unconnected, ResponseStreamingError, FlexibleChecksumError, IncompleteReadError,
    ResponseParserError, HTTPError, ConnectionError, TimeoutError, Truncated,
)  # fmt: skip
SERVER_ERROR: Final = 500
TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Waiting:
    """Time and chance, given from outside.

    Attributes:
        clock: monotonic seconds.
        sleep: waits so many seconds.
        chance: draws the waits.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.Random)


@dataclass(frozen=True, slots=True)
class Limits:
    """How a call is tried again.

    Attributes:
        attempts: tries of one call.
        first_seconds: longest wait before the second try; it doubles with each try.
        cap_seconds: longest wait of all.
        burst: retries that may be made at once by everybody who shares these.
        refill: retries earned back by a call that goes well at the first try.
    """

    attempts: int = 6
    first_seconds: float = 0.2
    cap_seconds: float = 8.0
    burst: float = 20.0
    refill: float = 0.2


class Retrying:
    """The retries of one store, out of one allowance. Safe to share between threads.

    Where every call fails, the allowance is used up after `burst` retries, and each further call is made once: a store
    that is down is not asked six times as often.
    """

    def __init__(self, where: str, waiting: Waiting, limits: Limits = Limits()) -> None:
        """Retries of calls to the store at `where`."""
        self.where: Final = where
        self.waiting: Final = waiting
        self.limits: Final = limits
        self._allowance = limits.burst
        self._lock: Final = threading.Lock()

    def within(self, seconds: float, *, in_turn: bool = False) -> Calls:
        """Calls that all end within so many seconds from now, but for one request's own timeout.

        Where they retry `in_turn`, one of them at a time does, and once it gives up the others do so too: many calls
        under way at once ask a service that is down hardly more often than one does.
        """
        return Calls(self, self.waiting.clock() + seconds, in_turn=in_turn)

    def _take(self) -> bool:
        with self._lock:
            if self._allowance < 1:
                return False
            self._allowance -= 1
            return True

    def _give(self) -> None:
        with self._lock:
            self._allowance = min(self.limits.burst, self._allowance + self.limits.refill)


class Calls:
    """The calls of one piece of work. Safe to share between threads.

    Attributes:
        n: requests sent, the tries that failed included.
    """

    def __init__(self, retrying: Retrying, give_up_at: float, *, in_turn: bool = False) -> None:
        """Calls until `give_up_at` of the clock; `in_turn` as in `Retrying.within`."""
        self.retrying: Final = retrying
        self.give_up_at: Final = give_up_at
        self.n = 0
        self._lock: Final = threading.Lock()
        self._turn: Final = threading.Lock() if in_turn else None
        self._is_away = False

    def run(self, name: str, call: Callable[[], T]) -> T:
        """What `call` returns.

        Args:
            name: of the call, for messages.
            call: may be made more than once; what it reads it reads to the end.

        Raises:
            StoreDenied: the credentials are refused or absent.
            StoreUnreachable: it failed until the tries, the allowance or the time were used up.
            ClientError: the store answered something that will not pass, such as a condition that did not hold.
        """
        with ExitStack() as held:
            attempt = 0
            while True:
                attempt += 1
                if self.retrying.waiting.clock() >= self.give_up_at:
                    raise self._unreachable(name, "the deadline is over", attempt - 1)
                with self._lock:
                    self.n += 1
                try:
                    made = call()
                except (ClientError, BotoCoreError, *BROKEN_ANSWERS) as error:
                    code = self._passing(name, error)
                else:
                    if attempt == 1:
                        self.retrying._give()  # noqa: SLF001  two halves of one thing
                    return made
                if attempt == 1 and self._turn is not None:
                    held.enter_context(self._turn)
                self._wait(name, code, attempt)

    def _wait(self, name: str, code: str, attempt: int) -> None:
        """Waits before the next try of a call that failed with `code`.

        Raises:
            StoreUnreachable: there is no next try.
        """
        limits, waiting = self.retrying.limits, self.retrying.waiting
        wait = waiting.chance.uniform(0, min(limits.cap_seconds, limits.first_seconds * 2 ** (attempt - 1)))
        is_last = attempt >= limits.attempts or waiting.clock() + wait >= self.give_up_at
        if self._is_away or is_last or not self.retrying._take():  # noqa: SLF001  two halves of one thing
            self._is_away = self._turn is not None
            raise self._unreachable(name, code, attempt)
        waiting.sleep(wait)

    def _passing(self, name: str, error: Exception) -> str:
        """The name of a failure that may pass; any other is raised."""
        if isinstance(error, CREDENTIAL_ERRORS):
            raise self._denied(name, type(error).__name__) from None
        if isinstance(error, ClientError):
            code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in DENIED_CODES:
                raise self._denied(name, code) from None
            if code in BUSY_CODES or status >= SERVER_ERROR or status == TOO_MANY:
                return code
            raise error
        if isinstance(error, BROKEN_ANSWERS):
            return type(error).__name__
        raise LarderError(
            f"{name} cannot be asked: {type(error).__name__}",
            where=self.retrying.where,
            todo="Correct region, endpoint and names in the settings' section store.",
        ) from None

    def _unreachable(self, name: str, code: str, attempts: int) -> StoreUnreachable:
        return StoreUnreachable(
            f"{name} failed: {code}, after {attempts} tries",
            where=self.retrying.where,
            todo="See that the service is up and its limits suffice, then run the step again.",
        )

    def _denied(self, name: str, code: str) -> StoreDenied:
        return StoreDenied(
            f"{name} was refused: {code}",
            where=self.retrying.where,
            todo="Renew the credentials of the default AWS chain, or grant the role what docs/iam has.",
        )


def code_of(error: ClientError) -> str:
    """The service's code of an error, its HTTP status where it gave none."""
    given: dict[str, Any] = error.response
    return str(given.get("Error", {}).get("Code") or given.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown"))
