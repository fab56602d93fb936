"""What the change feed answers."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.common import Answer, Bounds, example


class Change(Answer):
    """One object that changed."""

    position: str = Field(description="stands behind this change: go on with `after`")
    collection: str
    id: int | None = Field(description="null where all of a collection is gone")
    kind: Literal["created", "changed", "ended", "reset"] = Field(
        description="reset: the collection was emptied; read it anew"
    )
    fields: list[str] | None = Field(
        description="properties that are others now; null where all may be"
    )
    at: datetime = Field(description="when the transaction began")
    transaction: int = Field(description="changes of one transaction were kept together")
    source: str | None = Field(description="the system that it came from")
    import_id: int | None = Field(description="the load that brought it")
    bbox: Bounds | None = Field(description="where it was and is")


class Changes(Answer):
    """One page of the feed."""

    model_config = example(
        {
            "changes": [
                {
                    "position": "0f3a9c21.84211.7.0",
                    "collection": "buildings",
                    "id": 31,
                    "kind": "changed",
                    "fields": ["floors_above", "height"],
                    "at": "2026-11-22T02:00:00Z",
                    "transaction": 84211,
                    "source": "房屋普查",
                    "import_id": 12,
                    "bbox": [113.88, 22.92, 113.8804, 22.9202],
                }
            ],
            "next": "0f3a9c21.84220.0.0",
            "more": False,
        }
    )

    changes: list[Change]
    next: str = Field(description="the position to go on from, whether or not there were changes")
    more: bool = Field(description="whether there is more to be read at once")
