"""The configuration of each component says what the cluster depends on."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from dev.cluster import apiserver, containerd, controllers, dns, etcd, kubelet, proxy
from dev.cluster.paths import Layout
from dev.cluster.process import Command

LAYOUT = Layout(cache=Path("/cache"), state=Path("/state"), run=Path("/run/x"))
BINARIES = Path("/cache/bin")


def test_kubelet_accepts_both_cgroup_hierarchies_and_keeps_to_its_folders() -> None:
    rendered = yaml.safe_load(kubelet.configuration(LAYOUT))
    assert rendered["failCgroupV1"] is False
    assert rendered["cgroupDriver"] == "cgroupfs"
    assert rendered["cgroupRoot"] == "/serinus"
    assert rendered["authentication"]["anonymous"] == {"enabled": False}
    assert {rendered["podLogsDir"], rendered["volumePluginDir"]} == {"/state/logs/pods", "/state/kubelet-plugins"}


def test_containerd_keeps_everything_below_our_folders() -> None:
    rendered = tomllib.loads(containerd.configuration(LAYOUT))
    cri = rendered["plugins"]["io.containerd.grpc.v1.cri"]
    assert (rendered["root"], rendered["state"]) == ("/state/containerd", "/run/x/containerd")
    assert rendered["grpc"]["address"] == "/run/x/containerd.sock"
    assert cri["netns_mounts_under_state_dir"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False, "Root": "/run/x/runc"}


def test_pods_get_addresses_of_the_range_that_the_machine_routes() -> None:
    (bridge,) = json.loads(containerd.pod_network(LAYOUT))["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.0.0/24"}]]
    assert (bridge["isGateway"], bridge["hairpinMode"]) == (True, True)


def test_audit_policy_records_everything_but_the_reads_of_the_node_itself() -> None:
    policy = yaml.safe_load(apiserver.audit_policy())
    *silent, last = policy["rules"]
    assert last == {"level": "Metadata"}
    assert policy["omitStages"] == ["RequestReceived"]
    for rule in silent:
        assert rule["level"] == "None"
        assert "nonResourceURLs" in rule or rule["verbs"] == ["get", "list", "watch"]
        assert not any("serviceaccount" in name for name in (*rule.get("users", ()), *rule.get("userGroups", ())))


def test_proxy_uses_nftables_and_leaves_the_limits_of_the_machine() -> None:
    rendered = yaml.safe_load(proxy.configuration(LAYOUT))
    assert (rendered["mode"], rendered["conntrack"]) == ("nftables", {"maxPerCore": 0})


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda: etcd.command(LAYOUT), id="etcd"),
        pytest.param(lambda: containerd.command(LAYOUT), id="containerd"),
        pytest.param(lambda: apiserver.command(LAYOUT, BINARIES), id="kube-apiserver"),
        pytest.param(lambda: controllers.controller_manager(LAYOUT, BINARIES), id="kube-controller-manager"),
        pytest.param(lambda: controllers.scheduler(LAYOUT, BINARIES), id="kube-scheduler"),
        pytest.param(lambda: kubelet.command(LAYOUT, BINARIES), id="kubelet"),
        pytest.param(lambda: proxy.command(LAYOUT, BINARIES), id="kube-proxy"),
        pytest.param(lambda: dns.command(LAYOUT, BINARIES), id="coredns"),
    ],
)
def test_no_flag_is_given_twice(command: Callable[[], Command]) -> None:
    flags = [word.partition("=")[0] for word in command().argv if word.startswith("-")]
    assert len(flags) == len(set(flags))


def test_dns_answers_only_for_the_cluster() -> None:
    text = dns.configuration(LAYOUT)
    assert "cluster.local:53 in-addr.arpa:53 {" in text
    assert "rcode NXDOMAIN" in text
    assert "forward" not in text


def test_dns_question_and_answer_are_read_as_on_the_wire() -> None:
    asked = dns.query("a.svc")
    assert asked == bytes.fromhex("0001 0100 0001 0000 0000 0000 01 61 03 737663 00 0001 0001")
    assert dns.answers(bytes.fromhex("0001 8400 0001 0002 0000 0000")) == 2
    assert dns.answers(bytes.fromhex("0001 8403 0001 0000 0000 0000")) == 0
    assert dns.answers(b"short") == 0
