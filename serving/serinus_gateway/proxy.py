"""Envoy beside the agent: asking its admin interface on loopback what it has taken and what it has to do."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

ANSWER_SECONDS: Final = 2.0
LIVE: Final = "LIVE"
DRAINING: Final = "DRAINING"
WANTED: Final = (
    r"^http\.model-[0-9]+\.(downstream_rq_active|downstream_rq_total)$"
    r"|^http\..*\.rds\.models-[0-9]+\.version_text$"
    r"|^listener_manager\.(lds\.version_text|total_listeners_warming)$"
    r"|^cluster\..*/.*\.upstream_rq_total$"
)
TIMES: Final = r"^http\.model-[0-9]+\.downstream_rq_time$"
TIME: Final = re.compile(r"^http\.(?P<listener>model-[0-9]+)\.downstream_rq_time: .*\bP95\((?P<late>[^,]+),")
LINE: Final = re.compile(r"^(?P<name>\S+): (?P<value>.*)$")
MODEL: Final = re.compile(r"^http\.(?P<listener>model-[0-9]+)\.(?P<what>downstream\S+)$")
ROUTES: Final = re.compile(r"^http\..*\.rds\.(?P<name>models-[0-9]+)\.version_text$")
CLUSTER: Final = re.compile(r"^cluster\.(?P<name>.*/.*)\.upstream_rq_total$")


@dataclass(frozen=True, slots=True)
class Seen:
    """What Envoy tells of itself."""

    live: bool = False
    """It answers, and serves."""
    silent: bool = False
    """It is there, and did not answer in time: what it has to do is not known."""
    draining: bool = False
    """It ends each connection with its next answer."""
    listeners_version: str = ""
    """Of the latest list, once each of its listeners is open."""
    route_versions: Mapping[str, str] = field(default_factory=dict)
    """By name of the route configuration."""
    active: Mapping[str, int] = field(default_factory=dict)
    """Requests under way, by listener."""
    total: Mapping[str, int] = field(default_factory=dict)
    """Requests that came since Envoy started, by listener."""
    sent: Mapping[str, int] = field(default_factory=dict)
    """Requests sent since Envoy started, by cluster."""


class Admin:
    """The admin interface of one Envoy."""

    def __init__(self, port: int) -> None:
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            trust_env=False,
        )

    async def close(self) -> None:
        """End the connections."""
        await self._session.close()

    async def close_entrance(self) -> None:
        """Accept no connection more from outside; what is under way goes on. Nothing where it does not answer."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.post("/drain_listeners?inboundonly"):
                pass

    async def latencies(self) -> dict[str, float]:
        """By listener: milliseconds that 95 of 100 requests took at most, of those that ended in the last seconds."""
        try:
            async with self._session.get("/stats", params={"filter": TIMES, "usedonly": ""}) as answer:
                return parse_latencies(await answer.text())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}

    async def look(self) -> Seen:
        """What it tells now; nothing where it is not there."""
        try:
            async with self._session.get("/ready") as answer:
                state = (await answer.text()).strip()
            async with self._session.get("/stats", params={"filter": WANTED}) as answer:
                return parse(await answer.text(), state)
        except TimeoutError:
            return Seen(silent=True)
        except (aiohttp.ClientError, OSError):
            return Seen()

    async def end_connections(self, wanted: bool) -> None:
        """Have it end each connection with its next answer, while it goes on listening; or no longer.

        Where it does not answer, the next look tells.
        """
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            await self._session.post(f"/healthcheck/{'fail' if wanted else 'ok'}")


def parse_latencies(text: str) -> dict[str, float]:
    """Envoy's histograms: `http.model-20017.downstream_rq_time: … P95(1.05,4.1) …`, of late and of all time."""
    found = filter(None, map(TIME.match, text.splitlines()))
    return {one["listener"]: float(one["late"]) for one in found if one["late"] != "nan"}


def parse(text: str, state: str) -> Seen:
    """Envoy's plain statistics, `name: value` a line; text values are quoted. `state` is its word on itself."""
    lists: dict[str, str] = {}
    routes: dict[str, str] = {}
    counts: dict[str, dict[str, int]] = {"downstream_rq_active": {}, "downstream_rq_total": {}}
    sent: dict[str, int] = {}
    for found in filter(None, map(LINE.match, text.splitlines())):
        name, value = found["name"], found["value"].strip('"')
        if of_model := MODEL.match(name):
            counts[of_model["what"]][of_model["listener"]] = int(value)
        elif of_routes := ROUTES.match(name):
            routes[of_routes["name"]] = value
        elif of_cluster := CLUSTER.match(name):
            sent[of_cluster["name"]] = int(value)
        else:
            lists[name] = value
    warming = lists.get("listener_manager.total_listeners_warming") != "0"
    return Seen(
        live=state in (LIVE, DRAINING),
        draining=state == DRAINING,
        listeners_version="" if warming else lists.get("listener_manager.lds.version_text", ""),
        route_versions=routes,
        active=counts["downstream_rq_active"],
        total=counts["downstream_rq_total"],
        sent=sent,
    )
