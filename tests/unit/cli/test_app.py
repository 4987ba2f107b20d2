"""The command as a whole: what it loads, and its exit codes."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models.good import doubler
from tests.unit.api.samples import BAD, GOOD

from serinus_operator.cli import app as app_module
from serinus_operator.cli.verbs import ACTIONS

HEAVY = ("pydantic", "kopf", "onnxruntime", "numpy", "aiohttp", "yaml", "cel_expr_python", "rich", "serinus_api")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["serinus", *words])
    with pytest.raises(SystemExit) as ended:
        app_module.main()
    return int(ended.value.code or 0)


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from serinus_operator.cli.app import app; app(['--help'], standalone_mode=False); "
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "Exit codes: 0 all is well" in said.stdout
    assert said.stdout.endswith("loaded: []\n")


def test_run_without_a_terminal_loads_no_table() -> None:
    loads = "import sys; from serinus_operator.cli import run"
    program = f"{loads}; print([name for name in ('rich', 'watchfiles') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("serinus 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(shell: str) -> None:
    environment = {"_SERINUS_COMPLETE": f"source_{shell}"}
    program = "from serinus_operator.cli.app import main; main()"
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'serinus'; {program}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert "serinus" in said.stdout


def test_validate_says_what_is_good_and_what_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = next(path for path in GOOD if path.stem == "minimal")
    assert run(monkeypatch, "validate", "-f", str(good)) == 0
    assert " is valid (" in capsys.readouterr().out
    bad = next(path for path in BAD if path.stem == "unknown-field-misspelt")
    assert run(monkeypatch, "validate", "-f", str(bad)) == 1
    said = capsys.readouterr()
    assert said.err == (f'{bad}:9: error: unknown field "spec.runtime.maxConcurency"; did you mean "maxConcurrency"?\n')
    assert said.out == ""


def test_validate_takes_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good = next(path for path in GOOD if path.stem == "minimal")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(good.read_bytes())))
    assert run(monkeypatch, "validate", "-f", "-") == 0
    assert " is valid (<stdin>:" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert run(monkeypatch, "validate", "-f", "-") == 1
    assert capsys.readouterr().err == "<stdin>:1: error: holds no document\n"


def test_warnings_are_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    later = next(path for path in GOOD if path.stem == "later-features")
    assert run(monkeypatch, "validate", "-f", str(later)) == 0
    assert "warning: spec.runtime.batching: NotSupported" in capsys.readouterr().err


USAGE = {
    "an option that does not exist": ("run", "--nope"),
    "no file": ("run",),
    "a port that is none": ("run", "-f", "x", "--port", "70000"),
    "a name in all namespaces": ("get", "m", "-A"),
}


@pytest.mark.parametrize("words", USAGE.values(), ids=USAGE)
def test_usage_errors_end_with_two(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert run(monkeypatch, *words) == 2


def test_what_is_not_there_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "validate", "-f", str(tmp_path / "absent.yaml")) == 1
    assert "absent.yaml: no such file or folder" in capsys.readouterr().err
    for words in (("get",), ("describe", "m"), ("logs", "m"), ("delete", "m"), *((verb, "m") for verb in ACTIONS)):
        assert run(monkeypatch, *words, "--state", str(tmp_path)) == 1
        assert "no instance runs in the state folder" in capsys.readouterr().err


def test_init_writes_beside_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.onnx").write_bytes(doubler())
    assert run(monkeypatch, "init", "--model", "two.onnx", "two") == 0
    assert run(monkeypatch, "validate", "-f", "two.yaml") == 0
    assert run(monkeypatch, "init", "--model", "two.onnx", "two") == 1
