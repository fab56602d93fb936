"""Files that people write for commands: lists and JSON, in whatever encoding their editor saves."""

import json
from pathlib import Path
from typing import Any

from cim.errors import SourceError


def text_of(path: Path) -> str:
    """The text of a file: UTF-8 with its mark or without, UTF-16, or GB18030. SourceError."""
    from cim.load.readers.encoding import detect  # noqa: PLC0415 - readers, for this alone

    try:
        return path.read_text(detect(path)).removeprefix("\ufeff")
    except UnicodeError as error:
        raise SourceError(f"{path.name} is no text.", f"{path.name} 不是文本文件。") from error


def json_of(path: Path) -> Any:
    """What a JSON file holds; SourceError says in which line it is none."""
    try:
        return json.loads(text_of(path))
    except json.JSONDecodeError as error:
        at, where = error.lineno, error.colno
        raise SourceError(
            f"{path.name}, line {at}: this is no JSON ({error.msg} at character {where}).",
            f"{path.name} 第 {at} 行：不是有效的 JSON（第 {where} 个字符处有误）。",
        ) from error
    except RecursionError as error:
        raise SourceError(
            f"{path.name}: this JSON is nested too deeply.", f"{path.name}：JSON 嵌套过深。"
        ) from error
