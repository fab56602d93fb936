"""Personal data open only with their key and for their purpose; masks show little."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.errors import PrivacyError
from cim.privacy import Vault, mask_id, mask_name, mask_phone, open_vault, plain_id, plain_phone
from cim.privacy.keys import make_key, read_key
from cim.settings import Settings, load

VAULT = Vault(b"k" * 32)
TEXTS = st.lists(st.none() | st.text(), max_size=5)


@given(TEXTS)
def test_a_column_comes_back_as_it_was(values: list[str | None]) -> None:
    assert VAULT.decrypt(VAULT.encrypt(values, "person.name"), "person.name") == values


@given(st.text(min_size=8))
def test_the_text_is_nowhere_in_its_ciphertext(text: str) -> None:
    sealed = VAULT.encrypt([text], "person.name")[0]
    assert sealed is not None
    assert text.encode() not in sealed


def test_equal_texts_differ_unless_they_are_of_one_row() -> None:
    fresh = VAULT.encrypt(["张三", "张三"], "person.name")
    assert fresh[0] != fresh[1]
    rows = VAULT.encrypt(["张三", "张三", "张三"], "person.name", ["a", "b", None])
    assert rows[0] != rows[1]
    assert VAULT.encrypt(["张三", "李四"], "person.name", ["a", "a"])[0] == rows[0]
    assert VAULT.encrypt(["张三"], "person.name", ["a"]) == rows[:1]
    assert VAULT.encrypt(["张三"], "person.phone", ["a"]) != rows[:1]


def test_another_key_or_purpose_or_a_changed_bit_is_refused_without_the_text() -> None:
    sealed = VAULT.encrypt(["张三"], "person.name")
    assert sealed[0] is not None
    changed = bytes([*sealed[0][:-1], sealed[0][-1] ^ 1])
    for vault, value, purpose in (
        (Vault(b"l" * 32), sealed[0], "person.name"),
        (VAULT, sealed[0], "person.id_no"),
        (VAULT, changed, "person.name"),
        (VAULT, b"", "person.name"),
        (VAULT, b"\x02" + sealed[0][1:], "person.name"),
    ):
        with pytest.raises(PrivacyError) as refused:
            vault.decrypt([value], purpose)
        assert "张" not in str(refused.value) + refused.value.zh


@given(st.text())
def test_hashes_agree_within_a_purpose_and_a_key_only(text: str) -> None:
    one = VAULT.hash([text], "person.id_no")
    assert one == VAULT.hash([text], "person.id_no")
    assert one != VAULT.hash([text], "person.phone")
    assert one != Vault(b"l" * 32).hash([text], "person.id_no")
    assert VAULT.hash([None], "person.id_no") == [None]


def test_a_vault_prints_neither_key_nor_text() -> None:
    assert repr(VAULT) == f"Vault({VAULT.fingerprint})"
    assert VAULT.fingerprint != Vault(b"l" * 32).fingerprint


@given(st.text())
def test_masks_never_show_more_than_their_rule(text: str) -> None:
    assert len(mask_name(text).strip("*")) <= 1
    assert len(mask_id(text).replace("*", "")) in (0, 8)
    assert len(mask_phone(text).replace("*", "")) in (0, 7)


def test_spellings_of_one_number_are_one() -> None:
    assert plain_id("990000-19900101-001x") == plain_id("９９００００19900101001X")
    assert plain_phone("0086 10000001234") == plain_phone("100 0000 1234")


def settings(folder: Path) -> Settings:
    return load().model_copy(update={"data_dir": folder, "pii_key_file": None})


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        prints = set(pool.map(lambda _: open_vault(settings(tmp_path)).fingerprint, range(8)))
    path = tmp_path / "keys" / "pii.key"
    assert len(prints) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["pii.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pii.key"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(PrivacyError, match="chmod 600") as refused:
        read_key(path)
    assert "chmod 600" in refused.value.zh


def test_a_cut_or_unreadable_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pii.key"
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(PrivacyError, match="5 bytes"):
        read_key(path)
    with pytest.raises(PrivacyError, match="cannot be read"):
        read_key(tmp_path)
    with pytest.raises(PrivacyError, match="31 bytes"):
        Vault(b"k" * 31)
