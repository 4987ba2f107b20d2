"""YAML files, and standard input, as documents that know their lines. Used by `check.py` and `manifests.py`.

Reads only; what is no YAML becomes a `Problem` with its line, and the documents before it are still answered.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from serinus_operator.cli.exits import Fault

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = Path("-")
"""What `-f -` names. A file of that name can be given with its whole path."""
LIST = "List"
MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 200_000
"""Aliases can make a short file endless."""
_ITEM = re.compile(r"items\[(\d+)\]\.")
_KEY = re.compile(r"\[([^\]]*[^\]\d][^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, or (a warning) that has no effect here."""

    file: str
    line: int
    message: str
    field: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """As compilers write it: `iris.yaml:12: error: …`."""
        return f"{self.file}:{self.line}: {'warning' if self.warning else 'error'}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    file: Path
    line: int
    value: Any
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of each field, by its path: `spec.runtime.env[0].name`."""
    item: str = ""
    """Where it stands, if it is an item of a List: `items[2]`."""

    @property
    def source(self) -> str:
        """The file, as messages name it."""
        return "<stdin>" if self.file == STDIN else str(self.file)

    def line_of(self, path: str) -> int:
        """The line of a field; of the nearest one around it where it is not written. `data[key]` is `data.key`."""
        path = _KEY.sub(r".\1", path)
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, self.line)

    def problem(self, path: str, message: str, *, warning: bool = False) -> Problem:
        """A problem of one of its fields."""
        field, words = path, message
        if self.item:
            field, words = f"{self.item}.{path}".removesuffix("."), f"{self.item}: {message}"
        return Problem(self.source, self.line_of(path), words, field, warning)

    def items(self) -> "Iterator[Document]":
        """The objects of a List, and of Lists in it; any other document, and a List that is none, as it is."""
        value = self.value
        items = value.get("items") if isinstance(value, dict) and value.get("kind") == LIST else None
        if not isinstance(items, list) or not items or value.get("apiVersion") != "v1":
            yield self
            return
        lines: list[dict[str, int]] = [{} for _ in items]
        for path, line in self.lines.items():
            if found := _ITEM.match(path):
                lines[int(found[1])][path[found.end() :]] = line
        for number, item in enumerate(items):
            where = f"items[{number}]"
            named = f"{self.item}.{where}".removeprefix(".")
            yield from replace(self, value=item, line=self.line_of(where), lines=lines[number], item=named).items()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file came to."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()


def files_of(sources: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files that `-f` names: each file, those of a folder that end like YAML, `-`. Raises Fault."""
    found: list[Path] = []
    for source in sources:
        if source == STDIN:
            found.append(source)
        elif source.is_dir():
            found += sorted(path for path in source.iterdir() if path.suffix in SUFFIXES and path.is_file())
        elif source.exists():
            found.append(source)
        else:
            raise Fault(f"{source}: no such file or folder")
    return tuple(dict.fromkeys(found))


def read(file: Path) -> Reading:
    """All documents of a file, or of standard input; empty ones are left out."""
    name = Document(file, 1, None).source
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if file == STDIN else _data(file)
        if len(data) > MAX_BYTES:
            return Reading(problems=(Problem(name, 1, f"larger than {MAX_BYTES} bytes"),))
        text = data.decode("utf-8-sig")
    except OSError as error:
        return Reading(problems=(Problem(name, 1, f"cannot be read: {error.strerror}"),))
    except UnicodeDecodeError as error:
        return Reading(problems=(Problem(name, 1, f"not YAML: byte {error.start} is no UTF-8 text"),))
    return parse(file, text)


def _data(file: Path) -> bytes:
    """At most one byte more than is taken."""
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def parse(file: Path, text: str) -> Reading:
    """All documents of a text."""
    documents: list[Document] = []
    name, line = Document(file, 1, None).source, 1
    try:
        if file.suffix == ".json":
            text = text.replace("\t", " ")  # JSON may be indented with tabs, YAML may not; none is within a text
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            line = node.start_mark.line + 1
            if document := _document(file, loader, node):
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return Reading(tuple(documents), (Problem(name, mark.line + 1 if mark else line, f"not YAML: {said}"),))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else "nested too deeply"
        return Reading(tuple(documents), (Problem(name, line, f"not YAML: {said}"),))
    return Reading(tuple(documents))


def _document(file: Path, loader: yaml.SafeLoader, node: yaml.Node) -> Document | None:
    line = node.start_mark.line + 1
    lines: dict[str, int] = {}
    for count, (path, at) in enumerate(_positions(node, "", ())):
        if count > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too many values", problem_mark=node.start_mark)
        lines.setdefault(path, at)
    value = loader.construct_document(node)
    return None if value is None else Document(file, line, value, lines)


def _positions(node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Iterator[tuple[str, int]]:
    """Path and line of every field below `node`. Refuses a key that is there twice, and what contains itself."""
    if node in above:
        raise yaml.MarkedYAMLError(problem="an alias refers to what contains it", problem_mark=node.start_mark)
    inside = (*above, node)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem=f'key "{name}" is there twice', problem_mark=key.start_mark)
            seen.add(name)
            where = f"{path}.{name}" if path else name
            yield where, key.start_mark.line + 1
            yield from _positions(value, where, inside)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield f"{path}[{index}]", item.start_mark.line + 1
            yield from _positions(item, f"{path}[{index}]", inside)
