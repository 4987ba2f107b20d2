"""A head waits for its body, and nothing else waits."""

from asyncio import Transport
from collections.abc import Iterable

from serinus_runtime.corked import Corked

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Recorder(Transport):
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.packets.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.packets.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True


def test_head_and_body_leave_together() -> None:
    transport = Recorder()
    corked = Corked(transport)
    corked.write(HEAD)
    assert transport.packets == []
    corked.write(b"body")
    corked.write(b"more")
    assert transport.packets == [HEAD + b"body", b"more"]


def test_a_large_body_leaves_with_its_head_too() -> None:
    transport = Recorder()
    corked = Corked(transport)
    corked.write(HEAD)
    corked.write(b"x" * 1_000_000)
    assert transport.packets == [HEAD + b"x" * 1_000_000]


def test_an_interim_answer_does_not_wait() -> None:
    transport = Recorder()
    corked = Corked(transport)
    corked.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    corked.write(HEAD)
    corked.write(b"body")
    assert transport.packets == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"body"]


def test_a_head_without_a_body_leaves_when_the_answer_is_complete() -> None:
    transport = Recorder()
    corked = Corked(transport)
    corked.write(HEAD)
    corked.flush()
    corked.flush()
    assert transport.packets == [HEAD]


def test_closing_sends_what_was_held() -> None:
    transport = Recorder()
    corked = Corked(transport)
    corked.write(HEAD)
    corked.close()
    assert (transport.packets, transport.closed) == ([HEAD], True)


def test_everything_else_is_the_transports_own() -> None:
    transport = Recorder()
    assert Corked(transport).get_extra_info("peername", "nobody") == "nobody"
