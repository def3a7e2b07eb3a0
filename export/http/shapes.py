"""What goes over the wire, for checking what comes in and for describing what goes out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_K: Final = 500
MAX_USERS: Final = 200
MAX_TEXT: Final = 1024


def _whole(value: object) -> object:
    """JSON knows one kind of number: 10.0 is 10, while "10" and true are not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]

EXAMPLE: Final[dict[str, Any]] = {
    "user_id": "u-123",
    "placement": "home",
    "items": ["1082185", "995242"],
    "titles": ["Bananas", None],
    "scores": [4.0142, 3.8437],
    "reasons": ["you bought this before", "because you bought Bread"],
    "sources": ["own", "covisit"],
    "snapshot": "2026-01-01-819566c3c8b2",
    "as_of": "2026-01-01",
    "age_hours": 7.5,
    "is_stale": False,
    "source": "personal",
    "segment": "35-44",
    "is_degraded": False,
    "overlay": "0c5e9d6b7a21",
    "channel": "stable",
    "teams": None,
    "canary_snapshot": None,
}
BATCH_EXAMPLE: Final[dict[str, Any]] = {"user_ids": ["u-123", "u-124"], "placement": "home", "k": 10}
ERROR_EXAMPLE: Final[dict[str, Any]] = {
    "error": "InputInvalid",
    "what": "There is no placement 'mail'",
    "where": "2026-01-01-819566c3c8b2",
    "todo": "Use one of ['discover', 'home'].",
}


class ListAnswer(BaseModel):
    """One user's list, as `export.lookup.TopN`: five parallel lists, best first, and where they come from."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    user_id: str
    placement: str
    items: list[str]
    titles: list[str | None]
    scores: list[float]
    reasons: list[str]
    sources: list[str]
    snapshot: str
    as_of: dt.date
    age_hours: float
    is_stale: bool
    source: Literal["personal", "segment", "popular", "last_good"]
    segment: str | None
    is_degraded: bool
    overlay: str | None
    channel: Literal["stable", "canary", "interleaved"]
    teams: list[Literal["stable", "canary"]] | None
    canary_snapshot: str | None


class BatchAnswer(BaseModel):
    """Lists in the order asked for, all of one snapshot."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"snapshot": EXAMPLE["snapshot"], "lists": [EXAMPLE]}]}
    )

    snapshot: str
    lists: list[ListAnswer]


class BatchQuestion(BaseModel):
    """Whose lists are wanted.

    `visitor` is the user id that decides between the channels for all of them; without one it is `stable`.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [BATCH_EXAMPLE]})

    user_ids: list[Text] = Field(min_length=1, max_length=MAX_USERS)
    placement: Text
    k: Whole = Field(default=10, ge=1, le=MAX_K, strict=True)
    visitor: Text | None = None
    segments: dict[str, Text] = Field(default_factory=dict, max_length=MAX_USERS)
    region: Text | None = None
    without: list[Text] = Field(default_factory=list, max_length=1000)


class Problem(BaseModel):
    """Why there is no answer, and what to do about it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ERROR_EXAMPLE]})

    error: str
    what: str
    where: str
    todo: str


class Health(BaseModel):
    """The process is there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether fresh lists can be answered, and if not, why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"status": "ready", "snapshot": EXAMPLE["snapshot"], "age_hours": 7.5, "overlay": None}]
        },
    )

    status: Literal["ready", "stale", "store_away", "nothing_published"]
    snapshot: str | None
    age_hours: float | None
    overlay: str | None
