"""The demo: a sample city made, loaded, tiled — by the commands a user would type — and asked.

python -m sample_data.demo            make what is missing
python -m sample_data.demo --check    and serve it, ask it over HTTP, say what was asked, stop
"""

import datetime
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cim.settings import load

DONE = "demo-ready"
"""A file in the data folder that says the demo city stands, and of which program it is."""


def run(*words: str) -> None:
    """Run one `cim` command as a user would, showing what is run."""
    click.secho(f"$ cim {' '.join(words)}", dim=True)
    done = subprocess.run([sys.executable, "-m", "cim", *words], check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)


def make(data: Path) -> None:
    """Make, load and tile the sample city, unless it stands already."""
    marker = data / DONE
    if marker.exists():
        run("db", "start")
        return
    folder = data / "sample"
    shutil.rmtree(folder, ignore_errors=True)
    until = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    run("sample", str(folder), "--until", until.isoformat())
    run("load", "city", str(folder))
    run("tile", "build")
    marker.write_text(until.isoformat() + "\n", encoding="utf-8")


def ask(base: str, path: str, **headers: str) -> tuple[Any, bytes]:
    """GET one path; its headers and body, or an error that names the path."""
    request = urllib.request.Request(base + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers, answer.read()


def ask_json(base: str, path: str, **headers: str) -> Any:
    """GET one path as JSON."""
    return json.loads(ask(base, path, **headers)[1])


@contextmanager
def serving(port: int) -> Iterator[str]:
    """The demo's server, from its first answer to the end of the block."""
    server = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", "--demo", "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if server.poll() is not None:
                raise SystemExit(f"the server ended with {server.returncode} / 服务已退出")
            try:
                ask(base, "/health")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        else:
            raise SystemExit("the server did not answer in 30 s / 服务 30 秒内无响应")
        yield base
    finally:
        server.terminate()
        server.wait(timeout=30)


def first_content(tileset: dict[str, Any]) -> str:
    """The content address of the tileset's first implicit root, its own root cell filled in."""
    tiles = [tileset["root"]]
    while tiles:
        tile = tiles.pop()
        if "implicitTiling" in tile:
            return str(tile["implicitTiling"]["subtrees"]["uri"])
        tiles += tile.get("children", [])
    raise SystemExit("the tileset has no implicit root / 瓦片集没有隐式根")


def check_tiles(base: str) -> None:
    """Each tileset answers with its tree; one that holds something, with its first subtree too."""
    for tileset in ask_json(base, "/tilesets")["tilesets"]:
        url = urllib.parse.urljoin(base + "/", tileset["url"].lstrip("/"))
        path = url.removeprefix(base)
        described = ask_json(base, path)
        assert described["asset"]["version"] == "1.1", "tileset.json is not 3D Tiles 1.1"
        if not tileset["features"]:
            click.echo(f"ok  {path}: nothing of this kind in the city, so no tiles")
            continue
        template = first_content(described)
        subtree = template.replace("{level}", "0").replace("{x}", "0").replace("{y}", "0")
        headers, body = ask(base, urllib.parse.urljoin(path, subtree))
        assert body[:4] == b"subt", f"{subtree} is no subtree"
        assert headers["ETag"], "a tile's file has no ETag"
        click.echo(f"ok  {path}: {tileset['features']} features, and its subtree {subtree}")


def check(base: str) -> None:
    """Assert over HTTP what the demo promises, and say what was asserted."""
    page = ask(base, "/")[1].decode()
    assert "<script" in page and "assets/" in page, "the page is not the built viewer"
    click.echo("ok  / : the viewer's page")
    city = ask_json(base, "/city")
    assert city["counts"]["units"] > 0, "the city has no units"
    click.echo(f"ok  /city: {city['counts']}")
    check_tiles(base)
    found = ask_json(base, "/addresses/search?" + urllib.parse.urlencode({"q": "3栋"}))["items"]
    assert found, "no address has 3栋"
    click.echo(f"ok  /addresses/search: {found[0]['text']}")
    building = next(item["building_id"] for item in found if item["building_id"])
    grid = ask_json(base, f"/buildings/{building}/floor-grid")
    unit = next(unit for storey in grid["storeys"] for unit in storey["units"] if storey["no"] > 0)
    click.echo(f"ok  /buildings/{building}/floor-grid: {len(grid['storeys'])} storeys")
    card = ask_json(base, f"/units/{unit['id']}/card")
    assert card["address"]["text"], "the card has no address"
    assert not card["residents"]["shown"], "residents were shown without a purpose"
    click.echo(f"ok  /units/{unit['id']}/card: {card['address']['text']}")
    lon, lat, height = card["centre"]
    here = ask_json(base, f"/locate?lon={lon}&lat={lat}&h={height}&datum=ellipsoid")
    assert here["unit"] and here["unit"]["id"] == unit["id"], "locate finds another unit there"
    click.echo("ok  /locate: the same unit from its place in space")


@click.command()
@click.option("--check", "checking", is_flag=True, help="serve, ask over HTTP, stop")
@click.option("--port", default=8000, show_default=True)
def main(checking: bool, port: int) -> None:
    """Make the sample city ready for `cim serve --demo`.

    \b
    Example:
      CIM_DATA_DIR=.cim/demo python -m sample_data.demo
    """
    data = load().data_dir
    data.mkdir(parents=True, exist_ok=True)
    make(data)
    if checking:
        with serving(port) as base:
            check(base)
        run("db", "stop")
        click.echo("demo-check: all of it answers / 演示检查全部通过")


if __name__ == "__main__":
    main()
