"""docs/canary.md shows the transitions that the code runs. `make golden` writes its diagram and its table anew."""

import re
from pathlib import Path

import pytest

from serinus_api.v1alpha1 import RolloutPhase
from serinus_operator.decide.gate import LOW_TRAFFIC, METRICS_UNAVAILABLE
from serinus_operator.decide.transitions import TRANSITIONS
from serinus_operator.decide.view import HOLDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "canary.md"


def diagram() -> str:
    """Phases and the ways between them, in Mermaid's words."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> Stable"]
    lines += [
        f"    {a} --> {b}" for a, b in dict.fromkeys((str(t.source), str(t.target)) for t in TRANSITIONS) if a != b
    ]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Every transition in its order: of one phase, the first that holds is taken."""
    rows = ["| from | to | when |", "|---|---|---|"]
    return "\n".join([*rows, *(f"| {t.source} | {t.target} | {t.words} |" for t in TRANSITIONS)])


def block(name: str, content: str) -> str:
    return f"<!-- {name} -->\n{content}\n<!-- end of {name} -->"


@pytest.mark.parametrize(("name", "content"), [("diagram", diagram()), ("transitions", table())])
def test_page_shows_the_transitions_of_the_code(name: str, content: str, update_golden: bool) -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->.*?<!-- end of {name} -->", page, re.DOTALL)
    assert found, f"docs/canary.md has no place for the {name}"
    if update_golden:
        PAGE.write_text(page.replace(found[0], block(name, content)), encoding="utf-8")
    else:
        assert found[0] == block(name, content), "run `make golden`"


def test_every_phase_of_the_status_has_its_ways() -> None:
    assert {t.source for t in TRANSITIONS} == set(RolloutPhase)
    assert {t.target for t in TRANSITIONS} == set(RolloutPhase)


def test_page_says_what_helps_against_each_hold() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [reason for reason in (*HOLDS, LOW_TRAFFIC, METRICS_UNAVAILABLE) if f"\n| `{reason}` |" not in page] == []
