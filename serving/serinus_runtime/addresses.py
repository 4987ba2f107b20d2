"""Which addresses a download may reach: public ones, and hosts that the administrator allows.

Used by `download.py`. Names are resolved here and the judged addresses are handed to aiohttp, so what was judged is
what is connected to, whatever a name server says a moment later.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult

from serinus_api.conditions import Reason
from serinus_runtime.errors import ModelRefused

_METADATA_SERVICES = ("168.63.129.16",)
"""Public addresses on which a cloud answers questions about the machine itself."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class GuardedResolver(AbstractResolver):
    """Resolves a name and refuses it when any of its addresses is not public, unless the host is allowed."""

    def __init__(self, allow_hosts: Iterable[str]) -> None:
        self._allowed = frozenset(host.lower().rstrip(".") for host in allow_hosts)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """aiohttp's question for the addresses of a host."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = []
        for kind, _, protocol, _, (address, *_) in found:
            self.check(host, port, str(address))
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""

    def check(self, host: str, port: int, address: str) -> None:
        """Refuse an address that is not public.

        Raises:
            ModelRefused: AccessDenied, naming the host and the remedy.

        """
        name = host.lower().rstrip(".")
        if name in self._allowed or f"{name}:{port}" in self._allowed or f"[{name}]:{port}" in self._allowed:
            return
        if not is_public(ipaddress.ip_address(address.partition("%")[0])):
            msg = f"{host} has the address {address}, which is not public; an administrator can allow the host"
            raise ModelRefused(Reason.ACCESS_DENIED, msg)

    def check_literal(self, host: str, port: int) -> None:
        """Judge a host that is an address already, which aiohttp does not ask a resolver about."""
        if ":" not in host and not host.replace(".", "").isdigit():
            return
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ModelRefused(Reason.ACCESS_DENIED, f"{host} is not an address in its usual form") from error
        self.check(host, port, host)


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet; one that carries an IPv4 address inside is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    if str(address) in _METADATA_SERVICES:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
