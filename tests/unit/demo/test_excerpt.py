"""What the demo shows of `kubectl describe`."""

from dev.demo.excerpt import excerpt

DESCRIPTION = """\
Name:         iris
Status:
  Conditions:
    Last Transition Time:  2026-11-22T10:46:10Z
    Message:               iris-1a2b3c4d answers
    Observed Generation:   3
    Reason:                Serving
    Status:                True
    Type:                  Available
    Last Transition Time:  2026-11-22T10:46:10Z
    Message:               refused
    Observed Generation:   3
    Reason:                RolledBack
    Status:                True
    Type:                  Stalled
  Observed Generation:     3
Events:
  Type     Reason       Age   From              Message
  ----     ------       ----  ----              -------
  Normal   One          5s    serinus-operator  1
  Normal   Two          4s    serinus-operator  2
  Normal   Three        3s    serinus-operator  3
  Normal   Four         2s    serinus-operator  4
  Warning  Five         1s    serinus-operator  5
"""


def test_excerpt_has_the_wanted_conditions_and_the_last_events() -> None:
    assert excerpt(DESCRIPTION, ["Stalled", "Ready"]) == [
        "  Conditions:",
        "    Message:               refused",
        "    Reason:                RolledBack",
        "    Status:                True",
        "    Type:                  Stalled",
        "Events:",
        "  Type     Reason       Age   From              Message",
        "  ----     ------       ----  ----              -------",
        "  Normal   Two          4s    serinus-operator  2",
        "  Normal   Three        3s    serinus-operator  3",
        "  Normal   Four         2s    serinus-operator  4",
        "  Warning  Five         1s    serinus-operator  5",
    ]


def test_excerpt_of_an_object_without_status_has_headings_alone() -> None:
    assert excerpt("Name: iris\nEvents:  <none>\n", ["Ready"]) == ["  Conditions:", "Events:  <none>"]
