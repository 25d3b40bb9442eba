"""Who does not ask is hung up on, and who asks is answered, however long that takes."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn

from pcrnet.serve.patience import ImpatientProtocol

WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Hasty(ImpatientProtocol):
    head_seconds = 0.3


async def slow(scope, receive, send) -> None:
    """An application whose answer takes longer than a head may."""
    await asyncio.sleep(0.7)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})


async def _talk(pieces: list[bytes], pause: float) -> bytes:
    """Send pieces, a pause after each; what comes back until the server hangs up, or 1.5 s."""
    config = uvicorn.Config(slow, http=Hasty, lifespan="off", log_level="critical", port=0)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(1.5):
            while chunk := await reader.read(1 << 16):
                heard += chunk
            heard += b"<closed>"
    except ConnectionError:  # we were still writing
        heard += b"<closed>"
    except TimeoutError:
        pass
    writer.close()
    server.should_exit = True
    await running
    return heard


@pytest.mark.parametrize(
    "pieces",
    [[], [b"GET / HTTP/1.1\r\nHost: "], [b"G", b"E", b"T", b" ", b"/", b" ", b"H"]],
    ids=["says nothing", "stops in the middle", "trickles"],
)
def test_a_head_that_does_not_come_is_not_waited_for(pieces: list[bytes]) -> None:
    assert asyncio.run(_talk(pieces, 0.1)) == b"<closed>"


def test_a_whole_head_is_answered_though_the_answer_takes_longer() -> None:
    heard = asyncio.run(_talk([WHOLE], 0.0))
    assert b"200 OK" in heard
    assert b"answered" in heard


def test_a_second_request_on_the_same_line_must_come_whole_too() -> None:
    heard = asyncio.run(_talk([WHOLE, b"", b"", WHOLE[:9]], 0.3))
    assert heard.count(b"answered") == 1
    assert heard.endswith(b"<closed>")
