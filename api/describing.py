"""The OpenAPI document, with what holds for every operation said at each of them."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from api.deps import data_officer
from api.schemas.common import Answer

Document = dict[str, Any]

PROBLEM = "#/components/schemas/Problem"
MEDIA = "application/problem+json"

EVERYWHERE = {
    "400": "The request could not be understood",
    "429": "Too many requests of late",
}
"""What any operation may answer instead."""

WITH_BODY = {"408": "The body took too long to arrive", "413": "The body is too large"}
"""The same where a body is sent."""

KEYED = {
    "401": "No key where one is needed, or one that is not known",
    "403": "The caller lacks the right, or has it for a part of the city",
}
"""The same where it matters who calls."""


def operation_id(route: APIRoute) -> str:
    """The name of a route in generated clients: that of its function."""
    return route.name


def describe(app: FastAPI) -> Document:
    """The OpenAPI document, with problems under the type they are sent with.

    FastAPI leaves nulls out of examples, where they mean something: they are put back.
    """
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        officers = {name for name, route in _routes(app) if _asks(route.dependant, data_officer)}
        for operations in document["paths"].values():
            for operation in operations.values():
                _complete(operation, officer=operation["operationId"] in officers)
                _retype(operation)
        schemas = document["components"]["schemas"]
        for model in _below(Answer):
            extra = model.model_config.get("json_schema_extra")
            if isinstance(extra, dict) and model.__name__ in schemas:
                schemas[model.__name__] |= extra
    assert app.openapi_schema is not None  # FastAPI.openapi keeps what it made
    return app.openapi_schema


def _below(model: type[Answer]) -> Iterator[type[Answer]]:
    """Every kind of answer that is one of this kind."""
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


def _complete(operation: Document, *, officer: bool) -> None:
    """Say what may be answered besides, and whether a key may be left out."""
    said = EVERYWHERE | (WITH_BODY if "requestBody" in operation else {})
    if "security" in operation:
        said |= KEYED
        if not officer:
            operation["security"] = [{}, *operation["security"]]
    for code, text in said.items():
        problem = {MEDIA: {"schema": {"$ref": PROBLEM}}}
        operation["responses"].setdefault(code, {"description": text, "content": problem})


def _retype(operation: Document) -> None:
    for response in operation["responses"].values():
        content = response.get("content", {})
        for media in [media for media in content if PROBLEM in str(content[media])]:
            content[MEDIA] = content.pop(media)


def _routes(app: FastAPI) -> Iterator[tuple[str, APIRoute]]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield operation_id(context.original_route), context.original_route


def _asks(dependant: Dependant, call: Any) -> bool:
    """Whether a handler needs what a function gives, itself or by what it needs."""
    return dependant.call is call or any(_asks(each, call) for each in dependant.dependencies)
