"""Webhooks: who is told of alarms and sent readings, and what could not be sent."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, example

HOOK: dict[str, Any] = {
    "id": 1,
    "name": "电梯安检平台",
    "url": "https://regulator.example/alarms",
    "filter": {"classes": ["lift"], "severity": 3},
    "enabled": True,
    "made_by": "system",
    "made_at": "2026-11-20T08:00:00Z",
    "waiting": 0,
    "dead": 0,
    "last_sent": "2026-11-20T09:00:00Z",
    "failing": None,
    "readings_sent": 0,
    "readings_dropped": 0,
}


class Receiver(Answer):
    """Somebody who is told of alarms, or sent readings, over HTTP."""

    id: int
    name: str
    url: str
    filter: dict[str, Any]
    enabled: bool
    made_by: str | None
    made_at: datetime
    waiting: int = Field(description="messages that wait to be sent")
    dead: int = Field(description="messages that were given up")
    last_sent: datetime | None
    failing: str | None = Field(description="why the first that waits failed")
    readings_sent: int = Field(description="readings that were taken")
    readings_dropped: int = Field(
        description="readings that waited too long, or were too many, and are not sent"
    )


class Webhooks(Answer):
    """All of them."""

    model_config = example({"webhooks": [HOOK]})

    webhooks: list[Receiver]


class NewWebhook(Answer):
    """A webhook that was added, or got a new secret."""

    model_config = example({"id": 1, "secret": "whsec_bm90IGEgc2VjcmV0LCBhbiBleGFtcGxlIG9ubHk="})

    id: int
    secret: str | None = Field(description="what messages are signed with; shown this once")


class WebhookIn(BaseModel):
    """Who is to be told, and of what."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "name": "电梯安检平台",
                "url": "https://regulator.example/alarms",
                "filter": {"classes": ["lift"], "severity": 3},
            }
        },
    )

    name: str = Field(min_length=1, max_length=100)
    url: str = Field(min_length=1, max_length=2000)
    filter: dict[str, Any] = Field(
        {},
        description="of alarms kinds, entries, severity, `alarms: false` for none; of readings "
        "`readings` (every, changed, latest), properties, datastreams, every_s; of both classes, "
        "area, estate, homes, secrecy",
    )


class WebhookChange(BaseModel):
    """What of a webhook is to be another; what is not said stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(None, min_length=1, max_length=2000)
    filter: dict[str, Any] | None = None
    enabled: bool | None = None
    secret: bool = Field(False, description="true: it gets a new one")
    at_once: bool = Field(
        False, description="true: the secret before signs no more; else for a day it does too"
    )


class Dead(Answer):
    """A message that was given up."""

    id: int
    webhook_id: int
    name: str
    event_id: int | None = Field(description="the alarm; null of readings")
    kind: str = Field(description="what happened to it; readings")
    at: datetime = Field(description="when; of readings when the first was measured")
    readings: int | None = Field(description="how many readings; null of an alarm")
    tries: int
    status: int | None = Field(description="HTTP status of the last answer")
    error: str | None
    dead_at: datetime


class DeadLetters(Answer):
    """Messages that were given up, oldest first."""

    model_config = example(
        {
            "dead": [
                {
                    "id": 17,
                    "webhook_id": 1,
                    "name": "电梯安检平台",
                    "event_id": 7,
                    "kind": "begin",
                    "at": "2026-11-20T08:00:00Z",
                    "readings": None,
                    "tries": 12,
                    "status": 503,
                    "error": "HTTP 503",
                    "dead_at": "2026-11-21T20:00:00Z",
                }
            ]
        }
    )

    dead: list[Dead]


class Again(Answer):
    """How many wait again."""

    model_config = example({"waiting": 1})

    waiting: int
