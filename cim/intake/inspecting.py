"""A look into a file in a process of its own: with a time limit, and no harm to the service.

    python -m cim.intake.inspecting

The order comes as JSON on the standard input, the answer goes as JSON to the standard output.
"""

import asyncio
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from cim.errors import CimError, SourceError
from cim.intake.children import environment, go_first
from cim.intake.runner import own_up
from cim.load.mending import Mends
from cim.load.pipeline import Request
from cim.settings import Settings

LIMIT = 60.0
"""Seconds that a look may take."""

MEMORY = 4 << 30
"""Bytes that a look may take; what it needs does not grow with the file."""


async def inspect(
    settings: Settings,
    path: Path,
    kind: str | None,
    request: Request,
    heights: str | None = None,
) -> dict[str, Any]:
    """What a file holds, as `cim.load.inspection` says it; `heights` are what a raster's are above.

    SourceError, with its sentences, where the file cannot be read, or not within the time; CimError
    where this program is at fault.
    """
    order = {
        "settings": settings.model_dump(mode="json"),
        "path": str(path),
        "kind": kind,
        "heights": heights,
        "request": {name: value for name, value in asdict(request).items() if name != "mapping"},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cim.intake.inspecting"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(settings),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LIMIT):
            written, _ = await process.communicate(orjson.dumps(order))
    except TimeoutError:
        raise SourceError(
            f"looking into {path.name} took longer than {LIMIT:.0f} s; try a dry run instead",
            f"检查 {path.name} 超过 {LIMIT:.0f} 秒；请改用试运行",
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    try:
        answer: dict[str, Any] = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise SourceError(
            f"{path.name} cannot be looked into: the program that did so was ended, for lack of "
            "memory most likely",
            f"无法检查 {path.name}：检查程序被终止，多为内存不足",
        ) from None
    if "error" in answer:
        raise SourceError(*answer["error"])
    if "fault" in answer:
        raise CimError(*answer["fault"])
    found: dict[str, Any] = answer["found"]
    return found


def look(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order; its answer, or the two sentences of what stands against it."""
    try:
        # With all their libraries, for this alone.
        from cim.load import inspection, models, terrain  # noqa: PLC0415 - readers that only this child needs
        from cim.load.models import looking  # noqa: PLC0415 - readers that only this child needs
        from cim.load.terrain import looking as rasters  # noqa: PLC0415 - readers that only this child needs

        settings = Settings.model_validate(order["settings"])
        asked = order["request"]
        if asked["mends"] is not None:
            asked["mends"] = Mends.read(asked["mends"])
        path, request = Path(order["path"]), Request(**asked)
        if path.suffix.lower() in models.ENDINGS:
            found = looking.look(path, request)
        elif terrain.is_raster(path):
            wish = terrain.Wish(request.crs, order["heights"])
            found = rasters.look(path, wish, ask=True)
        else:
            found = inspection.inspect(settings, path, order["kind"], request)
        notes = [{"en": en, "zh": zh} for en, zh in found.notes]
        return {"found": found.as_json() | {"notes": notes}}
    except CimError as error:
        return {"error": [str(error), error.zh]}
    except MemoryError:
        name = Path(order["path"]).name
        most = f"{MEMORY >> 30} GB"
        return {
            "error": [f"{name} needs over {most} to look into", f"检查 {name} 需要超过 {most} 内存"]
        }
    except Exception as error:
        return {"fault": list(own_up(error))}


if __name__ == "__main__":
    go_first()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answer = look(orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
