"""`cim tile export`: tilesets as one archive, or in an object store."""

from pathlib import Path

import click

from cim import settings as configuration
from tiling.commands.progress import bar
from tiling.disk.folder import KEPT
from tiling.out import archive, bucket
from tiling.out.export import chosen, together


@click.command("export")
@click.argument("name", metavar="NAME|all")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="FILE.3tz|s3://BUCKET/PREFIX",
    help="the archive to write, or where to in an object store",
)
@click.option(
    "--keep",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    default=KEPT / 3600,
    show_default=True,
    help="how long a version stays in the object store after it was replaced; inf: for ever",
)
def export_command(name: str, target: str, keep: float) -> None:
    """Hand out a tileset, or all of them below one root, as it is served now.

    A .3tz archive is written whole or not at all.  One put into the data folder as tiles/NAME.3tz
    is served from there, without being unpacked.

    In an object store tileset.json is written last: who opens it sees the old tiles until all
    new ones are there.  Versions that were replaced longer ago than --keep are then removed.  The
    store is the one of AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION.

    \b
    Example:
      cim tile export buildings --to buildings.3tz
      cim tile export all --to s3://city/tiles
    """
    if not target.endswith(archive.SUFFIX) and not target.startswith(bucket.SCHEME):
        raise click.UsageError(
            "--to takes a FILE.3tz or s3://BUCKET/PREFIX / --to 需要 FILE.3tz 或 s3://存储桶/前缀"
        )
    tilesets = chosen(configuration.load().tiles_dir, name)
    with bar(name) as progress:
        if target.startswith(bucket.SCHEME):
            _written(target, bucket.write(tilesets, target, progress, keep=keep * 3600))
            return
        files = together(tilesets)
        size = archive.write(Path(target), files, progress)
    click.echo(
        f"{target}: {len(files):,} files, {size / 1e6:,.1f} MB / "
        f"{len(files):,} 个文件，{size / 1e6:,.1f} MB"
    )


def _written(target: str, found: bucket.Written) -> None:
    size = f"{found.bytes / 1e6:,.1f} MB"
    click.echo(
        f"{target}: {found.objects:,} objects, {size}, {found.stood:,} were there / "
        f"写入 {found.objects:,} 个对象，{size}，{found.stood:,} 个已存在"
    )
    for version in found.removed:
        click.echo(f"  removed: {version} / 已删除旧版本：{version}")
