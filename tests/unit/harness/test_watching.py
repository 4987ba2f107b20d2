"""What was watched is read whole, also where a watch was cut and begun again."""

from pathlib import Path

import pytest
from tests.e2e.harness.watching import objects


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param('{\n    "a": 1\n}\n{\n    "a": 2\n}\n', [1, 2], id="one after the other"),
        pytest.param('{\n    "a": 1\n}\n{\n    "a":', [1], id="cut at the end"),
        pytest.param('{\n    "a": {\n        "b"\n{\n    "a": 2\n}\n', [2], id="cut, and begun again"),
        pytest.param(
            '{\n    "a": 1\n}\nUnable to connect\n{\n    "a": 2\n}\n', [1, 2], id="words of a kubectl between"
        ),
    ],
)
def test_whole_objects_are_read_around_a_cut(tmp_path: Path, text: str, seen: list[int]) -> None:
    file = tmp_path / "watched.json"
    file.write_text(text)
    assert [one["a"] for one in objects(file)] == seen
