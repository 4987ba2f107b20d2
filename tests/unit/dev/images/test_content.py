"""An image's name follows from what goes into it."""

from pathlib import Path

import pytest
from dev.cluster.paths import PROJECT
from dev.images import content
from dev.images.base import Base, chosen_base, suite_of

BASE = Base("localhost/base:1")
RECIPE = content.Recipe("serinus-toy", "toy", ("toy/package",))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (
        *content.SHARED[:3],
        content.TOOLS,
        "crds/serinus_api/a.py",
        *("toy/Dockerfile", "toy/requirements.txt"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    cache = tmp_path / "toy" / "package" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "b.pyc").write_text("compiled")
    (cache.parent / "b.py").write_text("b = 1\n")
    return tmp_path


def test_snapshot_holds_the_inputs_and_no_byte_code(project: Path) -> None:
    (project / "secrets.txt").write_text("not an input")
    files = content.snapshot(RECIPE, BASE, project).files
    assert set(files) == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "crds/serinus_api/a.py",
        content.TOOLS,
        "toy/Dockerfile",
        "toy/requirements.txt",
        "toy/package/b.py",
    }


def test_tag_changes_with_content_path_and_base() -> None:
    tags = {
        content.tag({"a": b"1"}, "base"),
        content.tag({"a": b"2"}, "base"),
        content.tag({"b": b"1"}, "base"),
        content.tag({"a": b"1"}, "other"),
        content.tag({"a": b"1", "b": b""}, "base"),
    }
    assert len(tags) == 5
    assert content.tag({"a": b"1", "b": b"2"}, "x") == content.tag({"b": b"2", "a": b"1"}, "x")


def test_staged_files_have_one_time_so_that_the_builder_finds_its_cache(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "context"
    content.stage(content.snapshot(RECIPE, BASE, project).files, target)
    assert {int(path.stat().st_mtime) for path in target.rglob("*")} == {content.STAGED_TIME}


@pytest.mark.parametrize("recipe", content.RECIPES.values(), ids=content.RECIPES.keys())
def test_inputs_of_our_images_exist_and_are_copied_by_the_dockerfile(recipe: content.Recipe) -> None:
    dockerfile = (PROJECT / recipe.dockerfile).read_text()
    for name in recipe.inputs:
        assert (PROJECT / name).exists(), name
        assert name in dockerfile or name == recipe.dockerfile, name
    assert "USER 65532:65532" in dockerfile
    assert f'ENTRYPOINT ["{recipe.name}"]' in dockerfile


def test_references_name_both_images_without_latest() -> None:
    names = content.references()
    assert set(names) == {"operator", "runtime", "gateway"}
    assert all(len(name.partition(":")[2]) == content.TAG_LENGTH for name in names.values())


def test_base_image_given_is_used_as_it_is() -> None:
    assert chosen_base({"BASE_IMAGE": "python:3.11-slim-bookworm"}) == Base("python:3.11-slim-bookworm")


@pytest.mark.parametrize(
    ("release", "suite"),
    [
        pytest.param("ID=debian\nVERSION_CODENAME=trixie\n", "trixie", id="a Debian that we know"),
        pytest.param('ID=ubuntu\nVERSION_CODENAME="noble"\n', "bookworm", id="another system"),
        pytest.param("", "bookworm", id="nothing said"),
    ],
)
def test_suite_follows_the_machine_when_its_python_is_known(release: str, suite: str) -> None:
    assert suite_of(release) == suite
