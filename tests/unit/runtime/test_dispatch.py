"""Where an inference runs, and how long it holds its place."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests import models

from serinus_runtime.codec import InferRequest, Selection
from serinus_runtime.dispatch import INLINE_SECONDS, Dispatcher
from serinus_runtime.errors import InvalidRequest, Overloaded, Unavailable
from serinus_runtime.limits import Gate
from serinus_runtime.session import ModelSession

FOREVER = 10**9


def slow(folder: Path) -> ModelSession:
    path = folder / "model.onnx"
    path.write_bytes(models.slow())
    return ModelSession(path, threads=1)


def rounds(session: ModelSession, number: int) -> InferRequest:
    output = session.signature.outputs[0]
    return InferRequest(None, {"rounds": np.array([number])}, Selection([(output, True)], {output.name: 0}))


async def until(gate: Gate, in_flight: int, queued: int = 0) -> None:
    async with asyncio.timeout(30):
        while (gate.in_flight, gate.queued) != (in_flight, queued):  # noqa: ASYNC110 - a gate has no event
            await asyncio.sleep(0.001)


async def test_a_size_runs_inline_once_it_is_known_to_be_short(tmp_path: Path) -> None:
    gate = Gate(1, 0)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    request = rounds(session, 0)
    size_class = request.size().bit_length()
    assert not dispatcher.runs_inline(size_class)
    await dispatcher.run(request, lambda: 30)
    dispatcher.learn(size_class, 0.0)
    for _ in range(100):
        dispatcher.learn(size_class, INLINE_SECONDS / 2)
    assert dispatcher.runs_inline(size_class)
    running = dispatcher.run(request, lambda: 30)
    with pytest.raises(StopIteration):  # it never waits: the loop is not even asked
        running.send(None)
    assert gate.in_flight == 0
    for _ in range(20):
        dispatcher.learn(size_class, INLINE_SECONDS * 3)
    assert not dispatcher.runs_inline(size_class)
    assert not dispatcher.runs_inline(size_class + 1)
    dispatcher.close()


async def test_a_late_answer_is_503_and_the_place_is_held_until_the_run_has_stopped(tmp_path: Path) -> None:
    gate = Gate(1, 0)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    with pytest.raises(Unavailable, match="not answered in time"):
        await dispatcher.run(rounds(session, FOREVER), lambda: 0.05)
    await until(gate, in_flight=0)
    outputs = await dispatcher.run(rounds(session, 1), lambda: 30)
    assert outputs[0].shape == (96, 96)
    dispatcher.close()


async def test_the_queue_is_bounded_and_its_waiters_get_their_turn(tmp_path: Path) -> None:
    gate = Gate(1, 1)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    first = asyncio.create_task(dispatcher.run(rounds(session, FOREVER), lambda: 0.5))
    await until(gate, in_flight=1)
    second = asyncio.create_task(dispatcher.run(rounds(session, 1), lambda: 30))
    await until(gate, in_flight=1, queued=1)
    with pytest.raises(Overloaded):
        await dispatcher.run(rounds(session, 1), lambda: 30)
    with pytest.raises(Unavailable):
        await first
    assert (await second)[0].shape == (96, 96)
    await until(gate, in_flight=0)
    dispatcher.close()


async def test_a_failure_gives_the_place_back(tmp_path: Path) -> None:
    gate = Gate(1, 0)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    wrong = InferRequest(None, {"rounds": np.array([[1]])}, rounds(session, 1).selection)
    for _ in range(3):
        with pytest.raises(InvalidRequest):
            await dispatcher.run(wrong, lambda: 30)
        await until(gate, in_flight=0)
    dispatcher.close()


async def test_a_model_that_loops_as_often_as_a_value_says_is_taken_off_the_loop(tmp_path: Path) -> None:
    gate = Gate(1, 0)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    size_class = rounds(session, 1).size().bit_length()
    for _ in range(50):
        dispatcher.learn(size_class, INLINE_SECONDS / 10)
    assert dispatcher.runs_inline(size_class)
    with pytest.raises(Unavailable, match="not answered in time"):
        await dispatcher.run(rounds(session, FOREVER), lambda: 0.2)
    assert not dispatcher.runs_inline(size_class)
    await until(gate, in_flight=0)
    assert (await dispatcher.run(rounds(session, 1), lambda: 30))[0].shape == (96, 96)
    dispatcher.close()


async def test_the_loop_goes_on_while_a_model_computes(tmp_path: Path) -> None:
    gate = Gate(1, 0)
    session = slow(tmp_path)
    dispatcher = Dispatcher(session, gate, threads=1)
    running = asyncio.create_task(dispatcher.run(rounds(session, FOREVER), lambda: 0.3))
    ticks = 0
    while not running.done():
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 10
    assert isinstance(running.exception(), Unavailable)
    dispatcher.close()
