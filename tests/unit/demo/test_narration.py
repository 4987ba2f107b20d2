"""How the demo prints commands, and what ends it."""

import pytest
from dev.demo.narration import DemoError, Narrator, wrapped
from dev.demo.site import Site


def test_short_command_is_one_quoted_line() -> None:
    assert wrapped(["helm", "install", "--set", "a={b}"]) == ["helm install --set 'a={b}'"]


def test_long_command_breaks_before_an_option() -> None:
    option = ("--set", "x" * 50)
    assert wrapped(["helm", *option, *option, *option]) == [
        f"helm --set {'x' * 50} --set {'x' * 50} \\",
        f"--set {'x' * 50}",
    ]


def test_check_that_fails_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator()
    narrator.check(True, "two pods answer")
    with pytest.raises(DemoError, match=r"^not so: three pods answer; found: 2$"):
        narrator.check(False, "three pods answer", 2)
    assert (narrator.checks, capsys.readouterr().out) == (1, "   ✓ two pods answer\n")


def test_site_refuses_a_prefix_that_begins_no_namespace() -> None:
    with pytest.raises(DemoError, match="cannot begin a namespace"):
        Site("Demo_")
