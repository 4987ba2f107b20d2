"""Which addresses a download may reach."""

import ipaddress
import socket

import pytest

from serinus_api.conditions import Reason
from serinus_runtime.addresses import GuardedResolver, is_public
from serinus_runtime.errors import ModelRefused

REFUSED = {
    "127.0.0.1": "loopback",
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "169.254.169.254": "the metadata service",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "a metadata service in it",
    "168.63.129.16": "a metadata service with a public address",
    "0.0.0.0": "this host",
    "0.1.2.3": "this network",
    "192.0.2.1": "documentation",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "fe80::1": "link-local",
    "fc00::1": "unique local",
    "fd00:ec2::254": "a metadata service",
    "ff02::1": "multicast",
    "2001:db8::1": "documentation",
    "::ffff:10.0.0.1": "a private address mapped",
    "::ffff:169.254.169.254": "the metadata service mapped",
    "64:ff9b::a00:1": "a private address through NAT64",
    "2002:a00:1::1": "a private address through 6to4",
    "2001:0:c000:201:0:fff:f5ff:fffe": "a private address through Teredo",
}


@pytest.mark.parametrize("address", REFUSED, ids=[f"{address} {what}" for address, what in REFUSED.items()])
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_public_addresses_are_taken(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_remedy_is_named() -> None:
    with pytest.raises(ModelRefused) as caught:
        GuardedResolver([]).check("models.example", 443, "10.0.0.1")
    assert caught.value.reason is Reason.ACCESS_DENIED
    assert caught.value.message == (
        "models.example has the address 10.0.0.1, which is not public; an administrator can allow the host"
    )


@pytest.mark.parametrize(
    ("allowed", "host", "port", "passes"),
    [
        ("minio.store", "minio.store", 443, True),
        ("minio.store", "MinIO.store.", 9000, True),
        ("minio.store:9000", "minio.store", 9000, True),
        ("minio.store:9000", "minio.store", 443, False),
        ("minio.store", "evil.minio.store", 443, False),
        ("minio.store", "minio.store.evil", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("[fd00::1]:9000", "fd00::1", 9000, True),
        ("fd00::1", "fd00::1", 9000, True),
        ("", "minio.store", 443, False),
    ],
)
def test_a_host_is_allowed_by_its_name_or_with_its_port(allowed: str, host: str, port: int, passes: bool) -> None:
    resolver = GuardedResolver([allowed])
    if passes:
        resolver.check(host, port, "10.0.0.1")
    else:
        with pytest.raises(ModelRefused):
            resolver.check(host, port, "10.0.0.1")


async def test_a_name_that_resolves_to_a_private_address_is_refused() -> None:
    with pytest.raises(ModelRefused, match="localhost has the address"):
        await GuardedResolver([]).resolve("localhost", 443)


async def test_an_allowed_name_is_resolved() -> None:
    found = await GuardedResolver(["localhost:443"]).resolve("localhost", 443, socket.AF_INET)
    assert [result["host"] for result in found] == ["127.0.0.1"]
    assert found[0]["flags"] & socket.AI_NUMERICHOST


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2130706433", "0177.0.0.1", "127.1", "1.1.1.1.1", "fe80::1%eth0"])
def test_addresses_in_the_url_are_judged_and_odd_forms_refused(host: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        GuardedResolver([]).check_literal(host, 443)
    assert caught.value.reason is Reason.ACCESS_DENIED


@pytest.mark.parametrize("host", ["1.1.1.1", "models.example", "2606:4700::1111", "0x7f.example"])
def test_other_hosts_are_left_to_the_resolver(host: str) -> None:
    GuardedResolver([]).check_literal(host, 443)
