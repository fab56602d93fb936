"""What is documented is what is there."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from click.testing import CliRunner

from cim.cli import main
from cim.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_described_and_in_the_reference() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`CIM_{name.upper()}`" in page, name


def test_every_command_has_help_with_an_example() -> None:
    for name in sorted(entry_points(group="cim.commands").names):
        shown = CliRunner().invoke(main, [name, "--help"])
        assert shown.exit_code == 0, (name, shown.output)
        assert "Example" in shown.output, name


def test_help_lists_commands_without_importing_them() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for name in entry_points(group="cim.commands").names:
        assert name in shown.output


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = [
        path.parent.relative_to(ROOT).as_posix()
        for package in ("cim", "tiling", "api")
        for path in (ROOT / package).rglob("__init__.py")
    ]
    missing = [room for room in rooms if f"{room.split('/')[-1]}/" not in page]
    assert missing == []


def test_no_page_points_to_a_file_that_is_not_there() -> None:
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert broken == []


def test_listing_commands_imports_none_of_them() -> None:
    code = "import sys, cim.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit('sqlalchemy' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
