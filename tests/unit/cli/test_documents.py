"""What is no YAML is told with its line; what is, knows its lines."""

import io
from pathlib import Path

import pytest

from serinus_operator.cli.documents import MAX_BYTES, STDIN, Reading, parse, read

FILE = Path("m.yaml")
LAUGHS = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)

NOT_YAML = {
    "a list that is not closed": ("kind: a\nspec: [1, 2\nother: b\n", 3, "while parsing a flow sequence"),
    "a tab as indentation": ("spec:\n\tmodel: x\n", 2, "cannot start any token"),
    "a second colon": ("spec:\n  uri: a: b\n", 2, "mapping values are not allowed here"),
    "a key that is there twice": ("spec:\n  replicas: 1\n  replicas: 2\n", 3, 'key "replicas" is there twice'),
    "an alias that contains itself": ("a: &x\n  b: *x\n", 1, "an alias refers to what contains it"),
    "aliases without end": (LAUGHS, 1, "too many values"),
    "a date that does not exist": ("a: 1\nb: 2026-13-45\n", 1, "month must be in 1..12"),
    "a control character": ("a: \x07\n", 1, "unacceptable character"),
    "a tag that runs programs": ("a: !!python/object/apply:os.system [x]\n", 1, "could not determine a constructor"),
}


@pytest.mark.parametrize(("text", "line", "message"), NOT_YAML.values(), ids=NOT_YAML)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int, message: str) -> None:
    reading = parse(FILE, text)
    (problem,) = reading.problems
    assert (problem.file, problem.line) == ("m.yaml", line)
    assert problem.message.startswith("not YAML: ")
    assert message in problem.message
    assert reading.documents == ()


def test_documents_before_the_fault_are_kept() -> None:
    reading = parse(FILE, "a: 1\n---\nb: [\n")
    assert [document.value for document in reading.documents] == [{"a": 1}]
    assert len(reading.problems) == 1


def test_lines_of_fields_and_of_what_is_around_a_missing_one() -> None:
    text = "# first\n---\nspec:\n  runtime:\n    env:\n    - name: A\n    - {name: B,\n       value: x}\n"
    (document,) = parse(FILE, text).documents
    lines = {
        path: document.line_of(path) for path in ("spec.runtime.env[1].value", "spec.runtime.env[0]", "spec.model")
    }
    assert lines == {"spec.runtime.env[1].value": 8, "spec.runtime.env[0]": 6, "spec.model": 3}
    assert document.line_of("metadata.name") == document.line == 3


def test_empty_documents_are_left_out() -> None:
    assert parse(FILE, "---\n# nothing\n---\n").documents == ()


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"\x08\xff\xfe")
    (problem,) = read(tmp_path / "m.yaml").problems
    assert "is no UTF-8 text" in problem.message


def test_json_may_be_indented_with_tabs() -> None:
    (document,) = parse(Path("m.json"), '{\n\t"kind": "a",\n\t"spec": {"uri": "x\\/y"}\n}\n').documents
    assert document.value == {"kind": "a", "spec": {"uri": "x/y"}}
    assert document.line_of("spec.uri") == 3


LIST = """\
apiVersion: v1
kind: List
items:
- kind: a
  spec: {x: 1}
- apiVersion: v1
  kind: List
  items:
  - kind: b
    spec:
      y: 2
"""


def test_items_of_lists_know_their_place_and_their_lines() -> None:
    (document,) = parse(FILE, LIST).documents
    first, second = document.items()
    assert (first.value, first.item, first.line) == ({"kind": "a", "spec": {"x": 1}}, "items[0]", 4)
    assert (second.value["kind"], second.item, second.line) == ("b", "items[1].items[0]", 9)
    problem = second.problem("spec.y", "too much")
    assert (problem.line, problem.field) == (11, "items[1].items[0].spec.y")
    assert str(problem) == "m.yaml:11: error: items[1].items[0]: too much"
    assert first.problem("", "all of it").field == "items[0]"


def test_document_that_is_no_list_is_itself() -> None:
    (document,) = parse(FILE, "kind: a\nitems: [1]\n").documents
    assert list(document.items()) == [document]


def test_standard_input_is_read_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(data: bytes) -> Reading:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        return read(STDIN)

    assert [document.value for document in given(b"a: 1\n---\nb: 2\n").documents] == [{"a": 1}, {"b": 2}]
    for data, message in ((b"a: [\n", "not YAML: "), (b"\xff\xfe\x08", "not YAML: "), (bytes(MAX_BYTES + 1), "larger")):
        (problem,) = given(data).problems
        assert (problem.file, problem.message[: len(message)]) == ("<stdin>", message)
