"""How platforms prove who they are, and what they hear."""

import base64
import hashlib
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.codes.persons import refused, within
from cim.feeds.handshakes import answer, genuine, opening

TOKEN = "example-token"


def signed(nonce: str, message: str) -> str:
    """As the platform's document has it: Base64 of the MD5 of token, nonce and message."""
    return base64.b64encode(hashlib.md5((TOKEN + nonce + message).encode()).digest()).decode()


def test_an_address_is_tried_and_answered_with_what_was_sent() -> None:
    query = {
        "msg": "hello 你好",
        "nonce": "abcdefgh",
        "signature": signed("abcdefgh", "hello 你好"),
    }
    found = opening("onenet", query, TOKEN)
    assert found is not None
    assert (found.status, found.body.decode()) == (200, "hello 你好")
    for changed in ({"msg": "other"}, {"nonce": "zz"}, {"signature": "x"}, {"signature": "é"}):
        refused = opening("onenet", query | changed, TOKEN)
        assert refused is not None
        assert (refused.status, refused.body) == (403, b"")
    without = opening("onenet", {"nonce": "a"}, TOKEN)
    assert without is not None and without.status == 400


@pytest.mark.parametrize("way", [str, quote, lambda text: text.replace("+", " ")])
def test_a_signature_may_be_escaped_or_have_lost_its_plus(way: object) -> None:
    nonce = next(n for n in map(str, range(1000)) if "+" in signed(n, "m"))
    query = {"msg": "m", "nonce": nonce, "signature": way(signed(nonce, "m"))}  # type: ignore[operator] - one of three functions
    found = opening("onenet", query, TOKEN)
    assert found is not None and found.status == 200


@pytest.mark.parametrize("message", ['{"type":1,"value":42}', "[1, 2]"])
def test_a_push_is_signed_over_its_message_as_it_was_sent(message: str) -> None:
    body = f'{{"msg": {message}, "nonce": "n", "msg_signature": "{signed("n", message)}"}}'
    assert genuine("onenet", body.encode(), TOKEN) is True
    assert genuine("onenet", body.replace("42", "43").replace("2]", "3]").encode(), TOKEN) is False
    assert genuine("onenet", body.encode(), "another") is False


def test_a_message_written_as_a_text_is_signed_as_the_text() -> None:
    inner = '{"notifyType":"property"}'
    body = json.dumps({"msg": inner, "nonce": "n", "signature": signed("n", inner)})
    assert genuine("onenet", body.encode(), TOKEN) is True


def test_who_signs_nothing_must_have_a_key() -> None:
    assert genuine("ctwing", b"{}", TOKEN) is None
    assert genuine("onenet", b"{}", "") is None
    assert opening("iotda", {}, TOKEN) is None
    assert (answer(True).status, answer(False).status) == (200, 503)


@given(st.binary(max_size=60), st.text(max_size=10))
def test_no_push_raises(payload: bytes, secret: str) -> None:
    assert genuine("onenet", payload, secret) in (None, False)
    assert within(payload) in (None, "biometric", "personal")


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        ("biometric", "face faceImage visitor_face_url licensePlate plate-no 车牌号 人脸照片"),
        ("personal", "personName idCardNo visitor_phone cardNo 姓名 data.手机号码 身份证号"),
    ],
)
def test_what_is_of_a_person_is_known_by_its_name(reason: str, names: str) -> None:
    for name in names.split():
        assert refused(name) == reason, name
        assert within(json.dumps({"a": [{name: 1}]}, ensure_ascii=False).encode()) == reason
        assert within(json.dumps({"a": [{name: 1}]}).encode()) == reason  # written in escapes


@pytest.mark.parametrize(
    "name",
    "surface interface plateau template plate_heater power 语音告警状态 deviceName tenantName "
    "applicationName opened_by simCardNo phone_battery name".split(),
)
def test_names_that_only_look_alike_are_taken(name: str) -> None:
    assert refused(name) is None
