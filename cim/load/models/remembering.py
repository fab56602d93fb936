"""Where a model was put last: its import keeps what was said, and the next load goes by it."""

import json
from dataclasses import replace
from typing import Any

from cim.load.models.placement import At, Note
from cim.load.pipeline import Request
from cim.store.incoming import spaces
from cim.store.queries.incoming import spaces as queries


def recall(here: spaces.Load, guid: str, request: Request) -> tuple[Request, list[Note]]:
    """The request with the place that this source gave the same model last, and a note of it.

    A place that is said now holds; a rotation alone turns the model where it stands.
    """
    found = here.rows(queries.LAST_PLACE, source_id=here.source_id, import_id=here.import_id,
                      guid=guid)  # fmt: skip
    place = found[0].place if found else None
    if place is None or request.at is not None or request.building is not None or request.crs:
        return request, []
    building = place["building"]
    if building is not None and not here.rows(
        queries.BUILDING, id=building, source_id=here.source_id, guid=guid
    ):
        return request, []  # it has ended: the model must be placed anew
    if request.rotation is not None:
        place = place | {"rotation": request.rotation}
    told = _told(place)
    note = (
        f"placed as when it was last loaded: {told}; say so to put it elsewhere",
        f"按上次载入的位置放置：{told}；如需改放请重新指定",
    )
    kept = ("at", "building", "rotation", "crs")
    return replace(request, **{name: place[name] for name in kept}), [note]


def keep(here: spaces.Load, guid: str, request: Request) -> None:
    """Write down with the import what was said of the place; nothing where the file says it."""
    place = _place(guid, request)
    if place is not None:
        here.run(queries.KEEP_PLACE, place=json.dumps(place), import_id=here.import_id)


def _place(guid: str, request: Request) -> dict[str, Any] | None:
    """What was said, the rotation apart from the place; None where nothing was."""
    at, rotation = None, request.rotation
    if request.at is not None:
        said = At.parse(request.at)
        at = f"{said.lon!r},{said.lat!r}"
        rotation = rotation if said.rotation is None else said.rotation
    if at is None and request.building is None and request.crs is None:
        return None
    return {
        "model": guid,
        "at": at,
        "building": request.building if at is None else None,
        "rotation": rotation,
        "crs": request.crs,
    }


def _told(place: dict[str, Any]) -> str:
    """The place in the words of the command line."""
    if place["at"] is not None:
        turned = "" if place["rotation"] is None else f",{place['rotation']:g}"
        return f"--at {place['at']}{turned}"
    turned = "" if place["rotation"] is None else f" --rotation {place['rotation']:g}"
    if place["building"] is not None:
        return f"--building {place['building']}{turned}"
    return f"--crs {place['crs']}"
