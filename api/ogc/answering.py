"""What every answer below /ogc is made with: its root, who asks, in which form, as what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from fastapi.responses import Response

from api.answers import tagged
from api.database.store import Store
from api.deps import Memory, sight
from api.ogc.describing import HTML, JSON, Bounds, Document
from api.ogc.reading import once, wrong
from cim.errors import NotFound
from cim.store.direct import Direct
from cim.store.queries.collections import items as queries
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Sight
from cim.store.queries.collections.shape import Collection


async def root_of(request: Request) -> str:
    """The address of the landing page, as callers reach it."""
    public = str(request.app.state.settings.public_url or request.base_url)
    return f"{public.rstrip('/')}/ogc"


async def here(collection: str) -> Collection:
    """The collection of that name; NotFound where there is none."""
    found = COLLECTIONS.get(collection)
    if found is None:
        raise NotFound("There is no collection of that name.", "没有该名称的数据集。")
    return found


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer with features needs, and for whom."""

    root: str
    here: Collection
    store: Store
    direct: Direct
    memory: Memory
    sight: Sight


async def question(request: Request) -> Question:
    """The same, asked for all at once: each dependency by itself takes 0.03 ms to find."""
    state, asked = request.app.state, await here(request.path_params["collection"])
    return Question(
        await root_of(request),
        asked,
        state.store,
        state.direct,
        state.memory,
        await sight(await state.gate.caller(request)),
    )


RootDep = Annotated[str, Depends(root_of)]
HereDep = Annotated[Collection, Depends(here)]


def form(request: Request, given: str | None, known: Sequence[str] = ("json", "html")) -> str:
    """In which form to answer: as `f` says, else as the header Accept prefers; JSON if neither."""
    if given is not None:
        if given not in known:
            raise wrong(
                "f", f"must be one of {', '.join(known)}", f"必须为 {'、'.join(known)} 之一"
            )
        return given
    for wish in request.headers.get("accept", "").split(","):
        kind = wish.partition(";")[0].strip()
        if kind in ("text/html", "application/xhtml+xml"):
            return "html"
        if "json" in kind or kind == "*/*":
            return "json"
        if kind in ("text/csv", "application/flatgeobuf") and "csv" in known:
            return {"text/csv": "csv"}.get(kind, "fgb")
    return "json"


def version_of(row: Any) -> str:
    """The version of a feature as `queries.feature` gives it, in whatever form it is answered."""
    told = f"{row.id} {row.geometry} {row.properties}".encode()
    return f'"{tagged.digest_of(told)}"'


answer = tagged.answer


def shown(
    request: Request, document: Document, page: Callable[[], bytes], media: str = JSON
) -> Response:
    """A document, or the page that says the same."""
    given = once(request.query_params.multi_items(), ("f",))
    if form(request, given.get("f")) == "html":
        return answer(request, page(), HTML)
    return answer(request, orjson.dumps(document), media)


async def extents(store: Store) -> dict[str, Bounds]:
    """The extents of the collections that are not empty."""
    found = {}
    for name, each in COLLECTIONS.items():
        row = await store.row(queries.extent(each))
        if row is not None and row.w is not None:
            found[name] = (row.w, row.s, row.e, row.n)
    return found
