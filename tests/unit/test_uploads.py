"""Names, room and bytes of what is handed in."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cim.errors import Conflict, InvalidQuery, NoRoom, NotFound, TooLarge
from cim.intake import uploads
from cim.intake.uploads import Place, clean_name
from cim.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, upload_largest_gb=1, upload_total_gb=2)


@pytest.fixture
def place(settings: Settings) -> Place:
    uploads.folder_of(settings, "group")
    place = uploads.place_of(settings, "group", "name", "a.csv", 10)
    uploads.create(place)
    return place


@given(some.text(max_size=400))
def test_a_clean_name_is_one_step_that_a_disk_takes(name: str) -> None:
    try:
        clean = clean_name(name)
    except InvalidQuery:
        return
    assert "/" not in clean
    assert "\\" not in clean
    assert not clean.startswith(".")
    assert clean.isprintable()
    assert 0 < len(os.fsencode(clean)) <= 255
    assert clean_name(clean) == clean
    assert Path(clean).name == clean


@pytest.mark.parametrize(
    ("kept", "groups", "files", "size"),
    [(2 * 10**9, 0, 0, 1), (0, uploads.MOST_GROUPS + 1, 0, 1), (0, 0, uploads.MOST_FILES, 1)],
)
def test_what_is_too_much_together_is_refused(
    settings: Settings, kept: int, groups: int, files: int, size: int
) -> None:
    uploads.check_room(settings, size, 0, 0, 0)
    with pytest.raises(NoRoom):
        uploads.check_room(settings, size, kept, groups, files)


def test_a_file_that_the_disk_has_no_room_for_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = uploads.RESERVE + 100
    usage = uploads.shutil._ntuple_diskusage(10**12, 10**12 - free, free)
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda path: usage)
    uploads.check_room(settings, 100, 0, 0, 0)
    with pytest.raises(NoRoom):
        uploads.check_room(settings, 101, 0, 0, 0)


def test_a_file_larger_than_is_taken_is_refused(settings: Settings) -> None:
    with pytest.raises(TooLarge):
        uploads.check_room(settings, 10**9 + 1, 0, 0, 0)


def test_bytes_go_on_where_they_ended(place: Place) -> None:
    for offset, content in ((0, b"hello"), (5, b"world")):
        assert place.offset == offset
        assert not place.complete
        with uploads.writing(place, offset) as writer:
            writer.write(content)
            writer.settle()
    assert place.complete
    assert place.whole.read_bytes() == b"helloworld"


def test_a_disk_that_fills_is_told_and_what_arrived_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "full")

    with uploads.writing(place, 0) as writer:
        writer.write(b"123")
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(NoRoom):
            writer.write(b"456")
        writer.settle()
    assert place.offset == 3


def test_two_do_not_write_at_once(place: Place) -> None:
    with uploads.writing(place, 0), pytest.raises(Conflict), uploads.writing(place, 0):
        raise AssertionError


def test_a_part_that_is_a_link_is_not_followed(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    place.part.unlink()
    place.part.symlink_to(elsewhere)
    with pytest.raises(Conflict), uploads.writing(place, 0):
        raise AssertionError
    assert elsewhere.read_bytes() == b""


def test_strays_go_and_links_out_are_not_followed(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    uploads.folder_of(settings, "known")
    uploads.folder_of(settings, "stray")
    (settings.uploads_dir / "link").symlink_to(outside)
    uploads.delete_strays(settings, {"known"})
    assert sorted(path.name for path in settings.uploads_dir.iterdir()) == ["known", "link"]
    assert (outside / "kept").exists()


def test_a_file_that_is_deleted_while_it_is_sent_is_told(place: Place) -> None:
    with pytest.raises(NotFound, match="deleted"), uploads.writing(place, 0) as writer:
        writer.write(b"12345")
        uploads.delete(place)
        writer.write(b"67890")
        writer.settle()
    assert not place.folder.exists()


def test_what_was_announced_does_not_fill_the_disk_that_the_database_needs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = os.statvfs(place.folder)
    with uploads.writing(place, 0) as writer:
        writer.write(b"12345")
        monkeypatch.setattr(uploads, "RESERVE", disk.f_blocks * disk.f_frsize)
        with pytest.raises(NoRoom):
            writer.write(b"67890")
        writer.settle()
    assert place.offset == 5


def test_a_file_that_vanished_from_the_disk_can_be_sent_again(place: Place) -> None:
    uploads.delete(place)
    assert (place.offset, place.complete) == (0, False)
    with uploads.writing(place, 0) as writer:
        writer.write(b"1234567890")
        writer.settle()
    assert place.whole.read_bytes() == b"1234567890"
    with pytest.raises(Conflict), uploads.writing(place, 0):
        pass


@pytest.mark.parametrize(
    ("group", "file"),
    [("..", "a"), ("known/..", "a"), ("known", "../a"), ("known", "/etc/passwd"),
     ("/etc", "passwd"), ("known", ".."), ("known", ""), ("", "a"), ("link", "kept"),
     ("known", "link")],
)  # fmt: skip
def test_names_that_lead_out_of_the_folder_of_a_group_are_no_files(
    settings: Settings, tmp_path: Path, group: str, file: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    known = uploads.folder_of(settings, "known")
    (settings.uploads_dir / "link").symlink_to(outside)
    (known / "link").symlink_to(outside / "kept")
    assert uploads.path_of(settings, "known", "a.csv") == known / "a.csv"
    with pytest.raises(NotFound):
        uploads.path_of(settings, group, file)
    with pytest.raises(NotFound):
        uploads.place_of(settings, group, "0" * 32, file, 1)


def test_a_folder_that_leads_elsewhere_is_not_taken_away(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    uploads.folder_of(settings, "known")
    for group in ("..", "../kept", str(tmp_path / "kept")):
        with pytest.raises(NotFound):
            uploads.delete_group(settings, group)
    assert (tmp_path / "kept").is_dir()
