"""The three ways in which a run tells its story, and the tail of a log."""

import io
import json
import logging
from pathlib import Path

import pytest
from rich.console import Console

from serinus_operator.cli.documents import Document, Problem
from serinus_operator.cli.rows import Row
from serinus_operator.cli.screen import JsonLines, Lines, Screen, ScreenLog
from serinus_operator.cli.table import LiveTable, drawn
from serinus_operator.cli.verbs import Tail
from serinus_operator.local.instance import DrainReport

KEY = ("ModelDeployment", "default", "iris")
CONDITION = {"type": "Ready", "status": "False", "reason": "LoadFailed", "message": "no model", "observedGeneration": 1}
ROW = Row("default", "iris", "iris-1", "-", "100%", "2/2", 12.34, 5.67, "Ready")


def story(screen: Screen) -> None:
    screen.applied(KEY, "created", Document(Path("a.yaml"), 3, {}))
    screen.problem(Problem("a.yaml", 7, "unknown field", "spec.x"))
    screen.condition("default", "iris", CONDITION)
    screen.note("answers", "default/iris answers", url="http://x")
    screen.rows([ROW])
    screen.drained(DrainReport(stopped=("default/p",)))
    screen.close()


def test_plain_lines_keep_the_story_and_the_faults_apart() -> None:
    out, err = io.StringIO(), io.StringIO()
    story(Lines(out, err))
    assert [line[9:] for line in out.getvalue().splitlines()] == [
        "modeldeployment.serving.serinus.dev/iris created (a.yaml:3)",
        "default/iris Ready=False LoadFailed: no model",
        "default/iris answers",
        "Drained 1 pod",
    ]
    assert err.getvalue() == "a.yaml:7: error: unknown field\n"


def test_json_lines_for_scripts() -> None:
    out = io.StringIO()
    story(JsonLines(out))
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all(line.pop("time") for line in said)
    assert said == [
        {"event": "applied", "kind": "ModelDeployment", "namespace": "default", "name": "iris", "result": "created",
         "file": "a.yaml", "line": 3},
        {"event": "error", "file": "a.yaml", "line": 7, "field": "spec.x", "message": "unknown field"},
        {"event": "condition", "namespace": "default", "name": "iris", "type": "Ready", "status": "False",
         "reason": "LoadFailed", "message": "no model"},
        {"event": "answers", "message": "default/iris answers", "url": "http://x"},
        {"event": "drained", "stopped": ["default/p"], "killed": [], "unfinished": []},
    ]  # fmt: skip


def test_live_table_on_a_terminal() -> None:
    out = io.StringIO()
    story(LiveTable(Console(file=out, force_terminal=True, width=120)))
    assert "iris-1" in out.getvalue()
    assert "REQUESTS/S" in out.getvalue()
    assert "default/iris Ready=False LoadFailed: no model" in out.getvalue()


def test_table_as_it_is_drawn() -> None:
    out = io.StringIO()
    other = Row("ml", "b", "-", "Preflight", "0%", "0/1", 0.0, None, "Reconciling")
    Console(file=out, width=120).print(drawn([ROW, other], 120))
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["NAME", "REVISION", "PHASE", "WEIGHT", "REPLICAS", "REQUESTS/S", "P95", "MS", "STATE"],
        ["iris", "iris-1", "-", "100%", "2/2", "12.3", "5.7", "Ready"],
        ["ml/b", "-", "Preflight", "0%", "0/1", "0.0", "-", "Reconciling"],
    ]


LONG = "a-model-with-a-name-of-sixty-three-characters-which-is-the-longest"[:63]
AT_80 = {
    "while a revision is tried": (
        Row("default", "iris", "iris-72292971", "Preflight", "100%", "2/2", 12.3, 5.7, "Reconciling Preflight"),
        ["NAME", "REVISION", "PHASE", "WEIGHT", "REPLICAS", "REQUESTS/S", "STATE"],
    ),
    "a long state": (
        Row("default", "iris", "iris-72292971", "-", "100%", "2/2", 12.3, 5.7, "Stalled StartupDeadlineExceeded"),
        ["NAME", "REVISION", "PHASE", "REPLICAS", "REQUESTS/S", "STATE"],
    ),
    "the longest name": (
        Row("research", LONG, f"{LONG}-72292971", "-", "100%", "2/2", 0.0, None, "Stalled RolledBack"),
        ["NAME", "STATE"],
    ),
}


@pytest.mark.parametrize(("row", "columns"), AT_80.values(), ids=AT_80)
@pytest.mark.parametrize("beside", [[], [ROW]], ids=["alone", "beside another"])
def test_table_fits_into_80_columns_with_the_state_whole(row: Row, columns: list[str], beside: list[Row]) -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(drawn([row, *beside], 80))
    head, line, *rest = out.getvalue().splitlines()
    assert len(rest) == len(beside), "nothing wraps"
    assert all(len(text.rstrip()) <= 80 for text in (head, line, *rest))
    assert head.split() == columns
    assert line.rstrip().endswith(row.state)
    assert line.startswith(f"{row.namespace}/{row.name}"[:20] if row.namespace == "research" else row.name)


def test_log_records_do_not_tear_the_screen() -> None:
    out = io.StringIO()
    record = logging.makeLogRecord({"levelname": "WARNING", "msg": "Pod does not answer", "pod": "default/p"})
    log = ScreenLog(JsonLines(out))
    log.emit(record)
    log.emit(record)
    (line,) = out.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"]) == ("log", "warning")
    assert said["message"].endswith("Pod does not answer pod=default/p")


@pytest.mark.parametrize("begun_anew", [False, True])
def test_tail_gives_whole_lines_and_notices_a_new_file(tmp_path: Path, begun_anew: bool) -> None:
    log = tmp_path / "p.log"
    tail = Tail(log)
    assert list(tail.more()) == []
    log.write_text("one\ntwo\nthr")
    assert list(tail.more()) == ["one", "two"]
    log.write_text("new\n" if begun_anew else "one\ntwo\nthree\n")
    assert list(tail.more()) == (["new"] if begun_anew else ["three"])
    assert list(tail.more()) == []
