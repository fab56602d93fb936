"""The one place where an error becomes an HTTP status and a problem document (RFC 9457)."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from cim.errors import (
    BadParameter,
    CimError,
    Conflict,
    Gone,
    InvalidQuery,
    NeighbourError,
    NoCondition,
    NoRoom,
    NotAllowed,
    NotFound,
    Outdated,
    SourceError,
    StoreBusy,
    StoreError,
    TooLarge,
    TooMany,
    UnknownKey,
)

STATUS: dict[type[CimError], int] = {
    NotFound: 404,
    Gone: 410,
    Outdated: 412,
    NoCondition: 428,
    InvalidQuery: 422,
    BadParameter: 400,
    TooLarge: 413,
    Conflict: 409,
    NoRoom: 507,
    TooMany: 429,
    NeighbourError: 503,
    SourceError: 422,
    NotAllowed: 403,
    UnknownKey: 401,
    StoreError: 503,
}
"""Status of each deliberate error; a kind that is not here has its parent's."""

HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "5"},
}

REFUSED: dict[int, tuple[str, str]] = {
    404: ("There is nothing at this address.", "此地址下没有内容。"),
    405: ("This address does not take that method.", "此地址不支持该请求方法。"),
    400: ("The request could not be understood.", "无法理解该请求。"),
    412: ("Uploads speak version 1.0.0 of tus.", "上传须使用 tus 协议 1.0.0 版。"),
    415: (
        "The body must be of the type application/offset+octet-stream.",
        "请求体类型必须为 application/offset+octet-stream。",
    ),
}

RULES: dict[str, tuple[str, str]] = {
    "missing": ("is required", "为必填项"),
    "int_parsing": ("must be a whole number", "必须为整数"),
    "int_type": ("must be a whole number", "必须为整数"),
    "int_parsing_size": ("is too large", "数值过大"),
    "float_parsing": ("must be a number", "必须为数字"),
    "float_type": ("must be a number", "必须为数字"),
    "finite_number": ("must be a finite number", "必须为有限数值"),
    "greater_than_equal": ("must be at least {ge}", "不得小于 {ge}"),
    "less_than_equal": ("must be at most {le}", "不得大于 {le}"),
    "enum": ("must be one of {expected}", "必须为以下之一：{expected}"),
    "literal_error": ("must be one of {expected}", "必须为以下之一：{expected}"),
    "string_too_short": ("must have at least {min_length} characters", "至少 {min_length} 个字符"),
    "string_too_long": ("must have at most {max_length} characters", "至多 {max_length} 个字符"),
    "too_long": ("must have at most {max_length} entries", "至多 {max_length} 项"),
    "extra_forbidden": ("is not known", "为未知字段"),
    "one_of": ("must hold exactly one of {names}", "须且仅须包含 {names} 中的一个"),
    "list_type": ("must be a list", "必须为列表"),
    "json_invalid": ("is not valid JSON", "不是有效的 JSON"),
    "datetime_from_date_parsing": ("must be a time such as 2026-11-20T08:00:00Z", "时间格式不正确"),
    "datetime_parsing": ("must be a time such as 2026-11-20T08:00:00Z", "时间格式不正确"),
    "timezone_aware": ("must name its time zone, such as Z or +08:00", "必须包含时区"),
}
"""What pydantic's kinds of error say to a person; any other is just not valid."""

BUSY = StoreBusy(
    "The database took too long; ask for a smaller area or fewer objects.",
    "数据库响应超时，请缩小范围或减少数量后重试。",
)
FULL = StoreBusy(
    "Too many ask at once; try again shortly.",
    "当前请求过多，请稍后重试。",
)
AWAY = StoreError(
    "The database does not answer at the moment; try again shortly.",
    "数据库暂时无法访问，请稍后重试。",
)
UNWORKABLE = InvalidQuery(
    "A value cannot be worked with: it is too large, too small, or outside its system.",
    "参数值无法计算：数值过大、过小或超出坐标系范围。",
)
log = logging.getLogger("cim.api")


def problem(request: Request, status: int, en: str, zh: str) -> Response:
    """A problem document about this request; its query is left out, for it may be anything.

    Clients of SensorThings look for `message`, and get what they know.
    """
    if request.url.path.startswith("/sta/"):
        return JSONResponse(
            {"code": status, "type": "error", "message": en, "message_zh": zh},
            status,
            headers={"Cache-Control": "no-store", **HEADERS.get(status, {})},
        )
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": en,
            "detail_zh": zh,
            "instance": request.url.path,
        },
        status,
        headers={"Cache-Control": "no-store", **HEADERS.get(status, {})},
        media_type="application/problem+json",
    )


def sentences(errors: Sequence[Any]) -> tuple[str, str]:
    """Validation errors as a sentence in English and one in Chinese, naming each parameter."""
    english, chinese = [], []
    for error in errors[:5]:
        place = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
        en, zh = RULES.get(error["type"], ("is not valid", "无效"))
        context = error.get("ctx", {})
        try:
            en, zh = en.format(**context), zh.format(**context)
        except KeyError:
            en, zh = "is not valid", "无效"
        english.append(f"{place} {en}")
        chinese.append(f"{place} {zh}")
    return "; ".join(english) + ".", "；".join(chinese) + "。"


def install(app: FastAPI) -> None:
    """Answer every error with its status and a sentence; none shows SQL, paths or data."""

    @app.exception_handler(CimError)
    async def deliberate(request: Request, error: CimError) -> Response:
        status = status_of(error)
        if status >= 500:
            log.error("%s on %s", type(error).__name__, place(request))
        told = public(error)
        answer = problem(request, status, str(told), told.zh)
        if isinstance(error, TooMany):
            answer.headers["Retry-After"] = str(ceil(error.seconds))
        return answer

    @app.exception_handler(DBAPIError)
    async def unworkable(request: Request, error: DBAPIError) -> Response:
        """The database cannot compute with a value: class 22 of SQLSTATE; else it is our fault."""
        if not str(getattr(error.orig, "sqlstate", "")).startswith("22"):
            raise error
        log.warning("a value was refused by the database on %s", place(request))
        return problem(request, 422, str(UNWORKABLE), UNWORKABLE.zh)

    @app.exception_handler(PoolTimeout)
    async def crowded(request: Request, error: PoolTimeout) -> Response:
        return problem(request, 503, str(FULL), FULL.zh)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return problem(request, 422, *sentences(error.errors()))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        status, headers = error.status_code, dict(error.headers or {})
        if status in (404, 405) and request.method not in (known := methods(request)) and known:
            status, headers["Allow"] = 405, ", ".join(sorted(known))
        en, zh = REFUSED.get(status, (str(error.detail), str(error.detail)))
        answer = problem(request, status, en, zh)
        answer.headers.update(headers)
        return answer


def status_of(error: CimError) -> int:
    """The status of a deliberate error: its own, or its nearest parent's."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def methods(request: Request) -> set[str]:
    """What may be done at this address, by any of the routes; the viewer's catches all others."""
    routes = (each.original_route for each in iter_route_contexts(request.app.routes))
    found = {
        method
        for route in routes
        if isinstance(route, APIRoute) and route.path != "/{path:path}"
        if route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }
    return found | ({"HEAD"} if "GET" in found else set())


def public(error: CimError) -> CimError:
    """What a caller is told: the store's own words are its operator's, and may name folders."""
    if isinstance(error, StoreBusy):
        return BUSY
    return AWAY if isinstance(error, StoreError) else error


def place(request: Request) -> str:
    """Where a request went, for the log: its route's pattern and its own name, never its values."""
    route = getattr(request.scope.get("route"), "path", "-")
    return f"{request.method} {route} [{request.scope.get('state', {}).get('request_id', '-')}]"


STEPS = 6
"""Steps of a fault's way that are written down, each a module and a line; the last is where."""


def unforeseen(request: Request, error: Exception) -> Response:
    """A fault of ours: where it happened goes to the log, without the values it happened with."""
    trace, steps = error.__traceback__, []
    while trace:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.startswith(("api.", "cim.", "tiling.")):
            steps.append(f"{module}:{trace.tb_lineno}")
        trace = trace.tb_next
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    log.error(
        "fault %s%s on %s, at %s",
        type(error).__name__,
        f" (SQLSTATE {state})" if state else "",
        place(request),
        " > ".join(steps[-STEPS:]) or "?",
    )
    return problem(
        request,
        500,
        "Something went wrong in the service; the fault has been noted in its log.",
        "服务内部出现错误，已记录到日志。",
    )
