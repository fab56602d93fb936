"""Refusals as they must be: problem documents in both languages, with nothing of ours in them."""

from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).parents[1])


def check_problem(response: Any, status: int, part: str = "") -> None:
    assert response.status_code == status, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert set(found) == {"type", "title", "status", "detail", "detail_zh", "instance"}
    assert found["status"] == status and part in found["detail"], found
    assert found["detail_zh"] and any(mark > "\u4e00" for mark in found["detail_zh"])
    for leak in ("SELECT", "Traceback", "asyncpg", "sqlalchemy", ROOT, ".py"):
        assert leak not in response.text
