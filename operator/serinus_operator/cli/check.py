"""Judges documents as local mode would take them, in the API server's words, with file and line.

Used by `validate.py` and by `manifests.py`, so that `serinus validate` and `serinus run` say the same. Runs nothing.
"""

import difflib
import importlib.metadata
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from serinus_api import names
from serinus_api.admission import METADATA, Kind, Violation, judge
from serinus_api.crd import object_schema
from serinus_api.local import FILE_SCHEME, fields_without_cluster
from serinus_api.v1alpha1 import ModelDeploymentSpec, unsupported_fields
from serinus_operator.cli.documents import LIST, Document, Problem
from serinus_operator.cluster.port import CONFIG_MAP, MODEL_DEPLOYMENT
from serinus_operator.cluster.process import NAMESPACE, Refusal, judged_config_map

KINDS = {kind.kind: kind for kind in (MODEL_DEPLOYMENT, CONFIG_MAP)}
CONFIG_MAP_FIELDS = ("apiVersion", "kind", "metadata", "data", "binaryData", "immutable")
LOOKS_FOR_SLASH = re.compile(r"^file:///")


@dataclass(frozen=True, slots=True)
class Checked:
    """A document and what there is to say of it."""

    document: Document
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether it can be applied."""
        return all(problem.warning for problem in self.problems)

    @property
    def key(self) -> tuple[str, str, str] | None:
        """Kind, namespace and name, where it has them."""
        return key_of(self.document.value)


def key_of(value: Any) -> tuple[str, str, str] | None:
    """Kind, namespace and name of a manifest; None where one is missing."""
    meta = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        return None
    return str(value.get("kind")), str(meta.get("namespace") or NAMESPACE), meta["name"]


def check(documents: Iterable[Document]) -> tuple[Checked, ...]:
    """All objects of all documents, in their order. One that is there twice is a problem of the second."""
    known: dict[tuple[str, str, str], Document] = {}
    found = []
    for given in chain.from_iterable(document.items() for document in documents):
        document = with_absolute_uri(given)
        checked = Checked(document, tuple(_problems(document)))
        first = known.setdefault(checked.key, document) if checked.key else document
        if first is not document:
            words = f"{checked.document.value['kind']} {first.value['metadata']['name']} is there twice"
            again = document.problem("metadata.name", f"{words}; first in {first.source}:{first.line}")
            checked = Checked(document, (*checked.problems, again))
        found.append(checked)
    return tuple(found)


def with_absolute_uri(document: Document) -> Document:
    """The document with a relative `file://` URI resolved against the folder of its file."""
    try:
        uri = document.value["spec"]["model"]["uri"]
    except (KeyError, TypeError, IndexError):
        return document
    if not isinstance(uri, str) or not uri.startswith(FILE_SCHEME) or LOOKS_FOR_SLASH.match(uri):
        return document
    path = posixpath.join(quote(str(document.file.resolve().parent)), uri.removeprefix(FILE_SCHEME))
    spec = document.value["spec"]
    model = {**spec["model"], "uri": f"{FILE_SCHEME}{posixpath.normpath(path)}"}
    return replace(document, value={**document.value, "spec": {**spec, "model": model}})


def _problems(document: Document) -> Iterator[Problem]:
    value = document.value
    if not isinstance(value, dict):
        yield document.problem("", f"an object is expected, not {_kind_word(value)}")
        return
    kind = value.get("kind")
    if kind == LIST:
        yield _of_list(document)
        return
    if kind not in KINDS:
        yield document.problem("kind", _wrong_kind(kind))
        return
    expected = KINDS[kind].api_version
    if value.get("apiVersion") != expected:
        yield document.problem(
            "apiVersion", f'apiVersion: Unsupported value: "{value.get("apiVersion")}": supported values: "{expected}"'
        )
        return
    yield from _of_config_map(document) if kind == CONFIG_MAP.kind else _of_model(document)


def _of_list(document: Document) -> Problem:
    """What is wrong with a List whose objects could not be taken one by one."""
    version, items = document.value.get("apiVersion"), document.value.get("items")
    if version != "v1":
        return document.problem("apiVersion", f'apiVersion: Unsupported value: "{version}": supported values: "v1"')
    if not isinstance(items, list):
        return document.problem(
            "items", f"items: Invalid value: a list of objects is expected, not {_kind_word(items)}"
        )
    return document.problem("items", "items: Required value: the List holds no object")


def _of_model(document: Document) -> Iterator[Problem]:
    stored, violations = judge(document.value, local=True)
    for violation in violations:
        yield document.problem(violation.path, f"{violation}{_hint(violation)}")
    if not violations:
        yield from _warnings(document, stored)


def _of_config_map(document: Document) -> Iterator[Problem]:
    for name in document.value:
        if name not in CONFIG_MAP_FIELDS:
            yield document.problem(str(name), f'unknown field "{name}"{_nearest(str(name), CONFIG_MAP_FIELDS)}')
    if key_of(document.value) is None:
        yield document.problem("metadata.name", "metadata.name: Required value: name or generateName is required")
    try:
        judged_config_map(document.value)
    except Refusal as refusal:
        for violation in refusal.violations:
            yield document.problem(violation.path, str(violation))


def _warnings(document: Document, stored: dict[str, Any]) -> Iterator[Problem]:
    """What is admitted and then answered with a condition, or waits."""
    spec = ModelDeploymentSpec.model_validate(stored["spec"])
    for path in unsupported_fields(spec):
        field = path.split()[0].rstrip(":")
        yield document.problem(field, f"{path}: NotSupported: has no effect in this version", warning=True)
    image = f"serinus-runtime:{importlib.metadata.version('serinus')}"
    for path in fields_without_cluster(spec, image):
        yield document.problem(path, f"{path}: NotInLocalMode: needs a cluster", warning=True)
    if spec.model.uri.startswith(FILE_SCHEME):
        file = Path(unquote(spec.model.uri.removeprefix(FILE_SCHEME)))
        if not file.is_file():
            yield document.problem("spec.model.uri", f"spec.model.uri: NotFound: no file {file}", warning=True)


def _wrong_kind(kind: object) -> str:
    words = ", ".join(f'"{known}"' for known in KINDS)
    shown = "null" if kind is None else f'"{kind}"'
    return f"kind: Unsupported value: {shown}: supported values: {words}{_nearest(str(kind), KINDS)}"


def _hint(violation: Violation) -> str:
    """For an unknown field the nearest name that is known there."""
    if violation.kind is not Kind.UNKNOWN:
        return ""
    parent, _, name = violation.path.rpartition(".")
    return _nearest(name, _fields_below(parent))


def _nearest(word: str, known: Iterable[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f'; did you mean "{by_lower[near[0]]}"?' if near else ""


def _fields_below(path: str) -> tuple[str, ...]:
    """Names of the fields that the schema has below a path such as `spec.runtime.env[0]`."""
    schema = {**object_schema(), "properties": {**object_schema()["properties"], "metadata": METADATA}}
    for name in re.findall(r"[^.\[\]]+", path):
        schema = schema.get("items", {}) if name.isdigit() else schema.get("properties", {}).get(name, {})
    return tuple(schema.get("properties", {}))


def _kind_word(value: object) -> str:
    words = {type(None): "null", dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return words.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def title(key: tuple[str, str, str]) -> str:
    """How kubectl names an object: `modeldeployment.serving.serinus.dev/iris`, `configmap/iris-model`."""
    kind, _, name = key
    return f"{names.SINGULAR}.{names.GROUP}/{name}" if kind == names.KIND else f"{kind.lower()}/{name}"
