"""Settings, Envoy's statistics, and the phases of a cold start."""

import asyncio

import pytest

from serinus_gateway import proxy
from serinus_gateway.episode import Episode
from serinus_gateway.proxy import Seen, parse, parse_latencies
from serinus_gateway.settings import Settings, SettingsError

STATS = """\
cluster.ml/iris-1.upstream_rq_total: 7
http.model-20000.downstream_rq_active: 2
http.model-20000.downstream_rq_total: 9
http.model-20000.rds.models-0.version_text: "abc"
listener_manager.lds.version_text: "def"
listener_manager.total_listeners_warming: 0
"""


def test_statistics_are_read() -> None:
    assert parse(STATS, "LIVE") == Seen(
        live=True,
        listeners_version="def",
        route_versions={"models-0": "abc"},
        active={"model-20000": 2},
        total={"model-20000": 9},
        sent={"ml/iris-1": 7},
    )


def test_latency_is_that_of_late() -> None:
    text = (
        "http.model-20001.downstream_rq_time: P0(1,1) P50(1.05,2) P95(3.5,40) P100(4,90)\n"
        "http.model-20002.downstream_rq_time: P0(nan,1) P50(nan,2) P95(nan,40) P100(nan,90)\n"
        "http.model-20003.downstream_rq_time: No recorded values\n"
    )
    assert parse_latencies(text) == {"model-20001": 3.5}


def test_list_with_a_listener_that_is_not_open_has_not_been_taken() -> None:
    assert parse(STATS.replace("warming: 0", "warming: 1"), "LIVE").listeners_version == ""


@pytest.mark.parametrize(
    ("state", "live", "draining"), [("LIVE", True, False), ("DRAINING", True, True), ("INITIALIZING", False, False)]
)
def test_state_is_envoys_own_word(state: str, live: bool, draining: bool) -> None:
    seen = parse(STATS, state)
    assert (seen.live, seen.draining) == (live, draining)


async def test_envoy_that_is_slow_to_answer_is_not_taken_for_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "ANSWER_SECONDS", 0.05)
    over = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    admin = proxy.Admin(server.sockets[0].getsockname()[1])
    assert await admin.look() == Seen(silent=True)
    server.close()
    assert await admin.look() == Seen()
    over.set()
    await admin.close()


def test_phases_are_told_once_each_and_in_order() -> None:
    told: list[tuple[str, float]] = []
    episode = Episode(10.0, lambda phase, seconds: told.append((phase, seconds)))
    episode.reached("wake", 10.5)
    episode.reached("wake", 11.0)
    episode.reached("load", 12.0)
    episode.reached("load", 13.0)
    assert told == [("wake", 0.5), ("schedule", 1.5), ("load", 0.0)]


WRONG = {
    "a word for a number": ({"SERINUS_MAX_PENDING": "many"}, "SERINUS_MAX_PENDING"),
    "a port that is none": ({"SERINUS_AGENT_PORT": "70000"}, "SERINUS_AGENT_PORT"),
    "an unknown format": ({"SERINUS_LOG_FORMAT": "xml"}, "SERINUS_LOG_FORMAT"),
    "an unknown level": ({"SERINUS_LOG_LEVEL": "LOUD"}, "SERINUS_LOG_LEVEL"),
}


@pytest.mark.parametrize(("environment", "named"), WRONG.values(), ids=WRONG)
def test_mistake_names_the_variable(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_environment(environment)


def test_addresses_and_namespaces_are_lists() -> None:
    told = Settings.from_environment({"SERINUS_POD_IPS": "10.0.0.7,fd00::7", "SERINUS_WATCH_NAMESPACES": "a, b"})
    assert (told.pod_addresses, told.watch_namespaces) == (("10.0.0.7", "fd00::7"), ("a", "b"))
