"""The same answers as pages that a person can read and browse."""

from collections.abc import Sequence
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.ogc import describing
from api.ogc.openapi import SHARED
from api.ogc.words import CHINESE
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.shape import Collection, Property

PAGES = Environment(
    loader=PackageLoader("api.ogc"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
"""Everything that is filled in is escaped: names of places are a source's words."""

Links = Sequence[describing.Document]


def _page(name: str, root: str, title: str, links: Links, **words: Any) -> bytes:
    crumbs = words.pop("crumbs", ())
    made = PAGES.get_template(f"{name}.html").render(
        root=root, title=title, links=links, crumbs=crumbs, chinese=CHINESE, **words
    )
    return made.encode()


def _above(root: str, here: Collection | None = None) -> list[tuple[str, str]]:
    found = [(f"{root}/collections?f=html", "数据集 Collections")]
    if here is not None:
        found.append((f"{root}/collections/{here.name}?f=html", f"{here.zh} {here.en}"))
    return found


def landing(root: str, links: Links) -> bytes:
    """The landing page."""
    return _page(
        "landing", root, "城市公开数据 The city's public data", links, about=describing.ABOUT
    )


def conformance(root: str, links: Links) -> bytes:
    """The conformance classes."""
    return _page("conformance", root, "符合性 Conformance", links, classes=describing.CONFORMS)


def interface(root: str, links: Links, paths: dict[str, Any]) -> bytes:
    """The interface in words."""
    return _page("interface", root, "接口说明 Interface", links, paths=paths, parameters=SHARED)


def collections(root: str, links: Links) -> bytes:
    """Every collection."""
    return _page(
        "collections", root, "数据集 Collections", links, collections=list(COLLECTIONS.values())
    )


def collection(root: str, links: Links, here: Collection, extent: Sequence[float] | None) -> bytes:
    """One collection with its properties."""
    return _page(
        "collection",
        root,
        f"{here.zh} {here.en}",
        links,
        here=here,
        extent=extent,
        crumbs=_above(root),
    )


def items(
    root: str,
    links: Links,
    here: Collection,
    properties: Sequence[Property],
    rows: Sequence[Any],
    counted: int | None,
) -> bytes:
    """A page of features as a table."""
    return _page(
        "items",
        root,
        f"{here.zh} {here.en}",
        links,
        path=f"{root}/collections/{here.name}/items",
        properties=properties,
        rows=[{"id": row.id, "values": orjson.loads(row.properties)} for row in rows],
        counted=counted,
        following=next((each["href"] for each in links if each["rel"] == "next"), None),
        crumbs=_above(root, here),
    )


def item(root: str, links: Links, here: Collection, row: Any) -> bytes:
    """One feature."""
    return _page(
        "item",
        root,
        f"{here.zh} {here.en} {row.id}",
        links,
        properties=list(here.properties.values()),
        values=orjson.loads(row.properties),
        geometry=row.geometry or "—",
        crumbs=_above(root, here),
    )
