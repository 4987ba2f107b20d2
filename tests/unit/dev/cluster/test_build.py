"""What is built, with which flags, and when it is built anew."""

import re
from pathlib import Path

import pytest
from dev.cluster import build


def test_kubernetes_programs_come_from_the_locked_module_of_the_same_version() -> None:
    text = (build.MODULE / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{build.KUBERNETES}" in text
    for program in build.PROGRAMS:
        if program.version is None:
            assert f"\t{program.package}\n" in text
            assert f"gitVersion=v{build.KUBERNETES}" in program.link


def test_staging_modules_are_replaced_by_the_same_release() -> None:
    text = (build.MODULE / "go.mod").read_text()
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) > 25
    assert all(source == target for source, target, _ in replaced)
    assert {version for *_, version in replaced} == {f"v0.{build.KUBERNETES.removeprefix('1.')}"}


def test_program_of_another_module_is_installed_at_its_version() -> None:
    helm = next(program for program in build.PROGRAMS if program.name == "helm")
    assert helm.command("go", Path("/out"))[-1] == f"helm.sh/helm/v4/cmd/helm@v{build.HELM}"


def test_only_what_is_missing_is_built(tmp_path: Path) -> None:
    assert build.missing(tmp_path) == build.PROGRAMS
    folder = build.folder(tmp_path)
    folder.mkdir(parents=True)
    for program in build.PROGRAMS[1:]:
        (folder / program.name).touch()
    assert build.missing(tmp_path) == build.PROGRAMS[:1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("command not found", None),
    ],
)
def test_go_version_is_read(text: str, expected: tuple[int, int] | None) -> None:
    assert build.parse_go_version(text) == expected
