"""The end-to-end suite's prober: its account misses nothing, and as a program it ends when it is told to."""

import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.e2e.harness import prober

GOOD = [{"id": f"a-{number}", "error": None} for number in range(3)]


@pytest.mark.parametrize(
    ("sent", "records", "words"),
    [
        pytest.param(0, [], "sent nothing", id="nothing was sent"),
        pytest.param(4, GOOD, "3 accounts of 4", id="one has no account"),
        pytest.param(3, [*GOOD[:2], GOOD[0]], "3 accounts of 3", id="one has two accounts"),
        pytest.param(3, [*GOOD[:2], {"id": "a-2", "error": "HTTP 503"}], "1 of 3 lost.*503", id="one is lost"),
    ],
)
def test_account_fails_for_what_is_not_answered(sent: int, records: list[prober.Record], words: str) -> None:
    prober.account(3, GOOD)
    with pytest.raises(AssertionError, match=words):
        prober.account(sent, records)


@pytest.fixture
async def served() -> AsyncIterator[tuple[str, Counter[str]]]:
    """A model's address, and how often each id was asked."""
    asked: Counter[str] = Counter()

    async def infer(request: web.Request) -> web.Response:
        body = await request.json()
        asked[body["id"]] += 1
        answer = {"id": body["id"], "outputs": [{"data": [2.0]}]}
        return web.json_response(answer, headers={"x-serinus-revision": "m-1"})

    application = web.Application()
    application.router.add_post("/v2/models/m/infer", infer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def test_program_accounts_for_all_that_it_sent_when_it_is_ended(served: tuple[str, Counter[str]]) -> None:
    url, asked = served
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(prober.__file__)), url, "m", "50", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    first = await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    *records, last = [json.loads(line) for line in (first + await process.stdout.read()).splitlines()]
    assert await process.wait() == 0
    prober.account(last["sent"], records)
    assert {record["id"] for record in records} == set(asked)
    assert {record["revision"] for record in records} == {"m-1"}


async def test_prober_beside_a_story_accounts_for_all_that_it_sent(
    served: tuple[str, Counter[str]], tmp_path: Path
) -> None:
    url, asked = served

    def story() -> prober.Prober:
        with prober.Prober(url, "m", rate=200, history=tmp_path / "history.jsonl") as light:
            while len(light.records) < 5:
                threading.Event().wait(0.01)
        return light

    light = await asyncio.to_thread(story)
    light.assert_none_lost()
    assert light.sent == len(asked) == asked.total()
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == light.sent
    light.records.pop()
    with pytest.raises(AssertionError, match="accounts of"):
        light.assert_none_lost()


async def test_refusal_without_a_word_is_on_the_account() -> None:
    """As a gateway gives it to whom no route leads on."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=404)

    application = web.Application()
    application.router.add_post("/v2/models/m/infer", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    records: list[prober.Record] = []
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sent = await prober.stream(url, "m", 100, lambda: len(records) >= 2, records.append, prober.INPUT)
    await runner.cleanup()
    assert len(records) == sent
    assert {record["error"] for record in records} == {"HTTP 404 None"}
