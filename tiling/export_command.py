"""`cim tile export`: tilesets as one archive, or in an object store."""

from pathlib import Path

import click

from cim import settings as configuration
from tiling import archive
from tiling.export import chosen, together
from tiling.progress import bar


@click.command("export")
@click.argument("name", metavar="NAME|all")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="FILE.3tz",
    help="the archive to write",
)
def export_command(name: str, target: str) -> None:
    """Hand out a tileset, or all of them below one root, as it is served now.

    A .3tz archive is written whole or not at all.  One put into the data folder as tiles/NAME.3tz
    is served from there, without being unpacked.

    \b
    Example:
      cim tile export buildings --to buildings.3tz
      cim tile export all --to city.3tz
    """
    if not target.endswith(archive.SUFFIX):
        raise click.UsageError("--to takes a FILE.3tz / --to 需要 FILE.3tz")
    tilesets = chosen(configuration.load().tiles_dir, name)
    files = together(tilesets)
    with bar(name) as progress:
        size = archive.write(Path(target), files, progress)
    click.echo(
        f"{target}: {len(files):,} files, {size / 1e6:,.1f} MB / "
        f"{len(files):,} 个文件，{size / 1e6:,.1f} MB"
    )
