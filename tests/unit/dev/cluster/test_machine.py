"""What the cluster reads from the machine: folders, packages, mounts, cgroups, strays, other people's clusters."""

from pathlib import Path

import pytest
from dev.cluster import api, cgroups, mounts, packages, strays
from dev.cluster.console import ClusterError
from dev.cluster.paths import Layout, layout

HOME = Path("/home/me")
MOUNT_TABLE = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /state/a rw - tmpfs tmpfs rw
31 30 0:26 / /state/a/with\\040blank rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("environment", "cache", "state"),
    [
        pytest.param({}, "/home/me/.cache/serinus", "/home/me/.local/state/serinus/cluster", id="nothing set"),
        pytest.param({"XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"}, "/c/serinus", "/s/serinus/cluster", id="XDG"),
        pytest.param({"SERINUS_CACHE": "/mine"}, "/mine", "/home/me/.local/state/serinus/cluster", id="own cache"),
        pytest.param({"XDG_CACHE_HOME": ""}, "/home/me/.cache/serinus", None, id="empty is as not set"),
    ],
)
def test_folders_follow_the_environment(environment: dict[str, str], cache: str, state: str | None) -> None:
    found = layout(environment, HOME)
    assert str(found.cache) == cache
    assert state is None or str(found.state) == state


def test_missing_packages_are_named_once_in_order() -> None:
    present = {"ip", "nft"}
    assert packages.missing({"ip": "iproute2"}, present.__contains__) == ()
    needed = {"runc": "runc", "ctr": "containerd", "containerd": "containerd", "ip": "iproute2"}
    assert packages.missing(needed, present.__contains__) == ("containerd", "runc")


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with an apt-get and a dpkg-deb that write down what they are asked."""
    programs = tmp_path / "programs"
    programs.mkdir()
    scripts = {
        "apt-get": 'if [ "$1" = download ]; then : > "$3_1.0_amd64.deb"; fi',
        "dpkg-deb": '/bin/mkdir -p "$3/usr/sbin"; : > "$3/usr/sbin/$2.program"',
    }
    for name, text in scripts.items():
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {programs}/asked\n{text}\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_package_is_unpacked_once_and_never_installed(debian: Path, tmp_path: Path) -> None:
    for _ in range(2):
        folder = packages.unpacked("nginx", tmp_path / "cache")
    assert folder == tmp_path / "cache" / "nginx"
    assert (folder / "usr" / "sbin" / "nginx_1.0_amd64.deb.program").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["nginx"]
    asked = (debian / "asked").read_text().splitlines()
    assert [line for line in asked if "update" not in line] == [
        "apt-get download -qq nginx",
        "dpkg-deb --extract nginx_1.0_amd64.deb nginx",
    ]


def test_package_that_cannot_be_downloaded_is_said_so(debian: Path, tmp_path: Path) -> None:
    (debian / "apt-get").write_text("#!/bin/sh\n[ $1 = update ] || { echo 'E: no such package' >&2; exit 100; }\n")
    with pytest.raises(ClusterError, match="no such package"):
        packages.unpacked("nginx", tmp_path / "cache")
    (debian / "apt-get").unlink()
    with pytest.raises(ClusterError, match="no apt-get here to download nginx with"):
        packages.unpacked("nginx", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_mounts_are_listed_last_first_with_their_blanks() -> None:
    assert mounts.parse(MOUNT_TABLE) == (Path("/state/a/with blank"), Path("/state/a"), Path("/"))


def test_cgroups_of_the_first_hierarchy_are_one_per_controller(tmp_path: Path) -> None:
    for name in ("memory", "cpu,cpuacct", "unified"):
        (tmp_path / name).mkdir()
    for name in ("cpu", "cpuacct"):
        (tmp_path / name).symlink_to("cpu,cpuacct")
    expected = {tmp_path / name / "serinus" for name in ("memory", "cpu,cpuacct", "unified")}
    assert set(cgroups.roots(tmp_path)) == expected


def test_cgroup_of_the_second_hierarchy_is_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    assert cgroups.roots(tmp_path) == (tmp_path / "serinus",)


def test_network_results_of_our_pods_only_are_strays(tmp_path: Path) -> None:
    for name in ("serinus-pods-0ab-eth0", "cni-loopback-0ab-lo", "cni-loopback-fff-lo", "podman-fff-eth0"):
        (tmp_path / name).touch()
    found = {path.name for path in strays.cni_results(tmp_path)}
    assert found == {"serinus-pods-0ab-eth0", "cni-loopback-0ab-lo"}


def test_log_links_that_lead_into_our_logs_only_are_strays(tmp_path: Path) -> None:
    ours = Layout(cache=tmp_path / "cache", state=tmp_path / "state")
    (tmp_path / "a.log").symlink_to(ours.logs / "pods" / "a" / "0.log")
    (tmp_path / "b.log").symlink_to("/var/log/pods/b/0.log")
    assert [path.name for path in strays.log_links(ours, tmp_path)] == ["a.log"]


def test_our_own_kubeconfig_is_no_foreign_cluster() -> None:
    own = layout({}, HOME)
    assert api.given(own, {"KUBECONFIG": str(own.kubeconfig)}) is None
    assert api.given(own, {"KUBECONFIG": ""}) is None
    assert api.given(own, {"KUBECONFIG": "/elsewhere"}) == Path("/elsewhere")
