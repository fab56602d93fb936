"""A message to a receiver is soon over, whatever they answer, and goes nowhere else."""

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cim.feeds.webhooks.guard import is_allowed, networks, target
from cim.feeds.webhooks.posting import Answer, Poster
from cim.feeds.webhooks.signing import followed, headers, keys_of, new_secret, proves
from tests.receiving import Receiver

HERE = networks("127.0.0.0/8, ::1")
SECRET = new_secret()
Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def post(url: str, patience: float = 0.5) -> Answer:
    poster = Poster(HERE, patience)
    try:
        return await poster.post(url, {"content-type": "application/json"}, b"{}")
    finally:
        await poster.close()


def answered(speak: Speak, host: str = "127.0.0.1") -> tuple[Answer, float, list[bytes]]:
    """What comes of a receiver that says this, how long it took, and the requests they had."""

    async def run() -> tuple[Answer, float, list[bytes]]:
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            try:
                await speak(writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, host, 0)
        port = server.sockets[0].getsockname()[1]
        at = f"[{host}]" if ":" in host else host
        began = asyncio.get_running_loop().time()
        answer = await post(f"http://{at}:{port}/in?token=hidden")
        took = asyncio.get_running_loop().time() - began
        server.close()
        return answer, took, heard

    return asyncio.run(run())


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _going_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def _rubbish(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff not http at all\r\n\r\n")
    await writer.drain()


def test_an_answer_without_end_is_not_read() -> None:
    answer, took, _ = answered(_endless)
    assert (answer.status, answer.error) == (200, None) and took < 0.4


@pytest.mark.parametrize("speak", [_dripping, _going_on, _silent])
def test_who_answers_bit_by_bit_has_no_more_time_than_others(speak: Speak) -> None:
    answer, took, _ = answered(speak)
    assert answer.error == "Timeout" and 0.4 < took < 2


def test_what_is_no_answer_is_told_by_its_kind_and_without_the_address() -> None:
    answer, _, _ = answered(_rubbish)
    assert answer.status is None and answer.error == "RemoteProtocolError"


def test_the_host_of_an_ipv6_address_is_in_brackets() -> None:
    async def fine(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    answer, _, heard = answered(fine, "::1")
    assert answer.status == 204 and b"host: [::1]:" in heard[0].lower()


def test_each_message_has_a_connection_of_its_own() -> None:
    """One that was opened for a name must not carry what is for another of the same address."""

    async def run() -> int:
        opened: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(writer)
            while said := await reader.read(65536):
                if said.endswith(b"{}"):
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        poster = Poster(HERE, 2)
        for name in ("localhost", "127.0.0.1"):
            assert (await poster.post(f"http://{name}:{port}/", {}, b"{}")).status == 200
        await poster.close()
        server.close()
        for writer in opened:
            writer.close()
            await writer.wait_closed()
        return len(opened)

    assert asyncio.run(run()) == 2


@contextmanager
def receiving() -> Iterator[Receiver]:
    found = Receiver(keys_of(SECRET, 0)[0])
    try:
        yield found
    finally:
        found.close()


def test_addresses_and_their_secrets_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with receiving() as receiver:
        assert asyncio.run(post(f"{receiver.url}&token=hidden")).status == 204
    assert "hidden" not in caplog.text


def test_a_receiver_says_when_it_wants_to_be_asked_again() -> None:
    with receiving() as receiver:
        receiver.answers = [503, 400]
        assert asyncio.run(post(receiver.url)) == Answer(503, "HTTP 503", 3000.0)
        assert asyncio.run(post(receiver.url)) == Answer(400, "HTTP 400", 0.0)


def test_a_name_that_means_another_place_a_moment_later_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, asked = socket.getaddrinfo, []

    def turning(host: Any, *more: Any, **named: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "10.255.255.1", *more, **named)

    with receiving() as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", turning)
        answer = asyncio.run(post(receiver.url.replace("localhost", "turning.example")))
        assert answer.status == 204 and receiver.said["host"].startswith("turning.example:")
    assert asked[0] == "turning.example" and asked.count("turning.example") == 1


def test_of_several_addresses_the_next_is_tried_where_one_does_not_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as receiver:
        port = receiver.server.server_port
        several = [(0, 0, 0, "", (at, port)) for at in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: several)
        assert asyncio.run(post(receiver.url)).status == 204


def test_a_name_with_one_address_inside_is_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    several = [(0, 0, 0, "", (at, 443)) for at in ("9.9.9.9", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: several)

    async def run() -> str:
        poster = Poster(())
        try:
            return (await poster.post("https://a.example/", {}, b"")).error or ""
        finally:
            await poster.close()

    assert "CIM_WEBHOOK_NETWORKS" in asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    ["168.63.129.16", "192.0.0.192", "100.100.100.200", "::ffff:168.63.129.16", "64:ff9b:1::a00:7",
     "64:ff9b::a83f:8110", "fd00:ec2::254", "::7f00:1", "3fff::1", "2001:db8::1", "198.18.0.1"],
)  # fmt: skip
def test_where_clouds_keep_their_credentials_nothing_is_sent(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), ())


def test_a_secret_that_is_followed_by_another_signs_for_a_day_more() -> None:
    fresh = new_secret()
    kept = followed(SECRET, fresh, 1000.0)
    body, old, new = b"{}", keys_of(SECRET, 0)[0], keys_of(fresh, 0)[0]
    during = headers(keys_of(kept, 2000.0), "msg_1", 2000, body)
    assert proves(old, during, body, 2000) and proves(new, during, body, 2000)
    after = headers(keys_of(kept, 90_000.0), "msg_1", 90_000, body)
    assert proves(new, after, body, 90_000) and not proves(old, after, body, 90_000)
    assert not proves(new, after, body, 90_000 + 301)  # said again later
    again = keys_of(followed(kept, SECRET, 3000.0), 4000.0)
    assert again == [old, new]


def test_no_more_than_the_names_of_receivers_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look-up that hangs holds up neither its own message for long nor the others' threads."""
    waiting = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: waiting.wait(5) and [])

    async def run() -> tuple[Answer, str]:
        poster = Poster(HERE, 0.1)
        try:
            answer = await poster.post("https://slow.example/", {}, b"")
            return answer, await asyncio.to_thread(lambda: "free")
        finally:
            waiting.set()
            await poster.close()

    assert asyncio.run(run()) == (Answer(error="Timeout"), "free")


def test_target_keeps_path_and_query_and_three_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(0, 0, 0, "", (f"9.9.9.{n}", 443)) for n in range(1, 6)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
    found = asyncio.run(target("https://a.example/x?y=1", ()))
    assert found.urls == tuple(f"https://9.9.9.{n}:443/x?y=1" for n in (1, 2, 3))
