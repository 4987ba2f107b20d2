"""What the admission policy leaves of the gateway's right on the scale, judged by the rules in the template itself."""

import re
from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel

from serinus_api import names

TEMPLATE = Path(__file__).resolve().parents[3] / "charts" / "serinus" / "templates" / "gateway-policy.yaml"
RULES = re.findall(r'- expression: "(.+)"\n      message: (.+)', TEMPLATE.read_text())
OURS = f"serinus.dev/revision=iris-1,{names.LABEL_ROLE}={names.ROLE_SERVING},{names.LABEL_DEPLOYMENT}=iris"

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "waking one of ours": ({}, {"replicas": 1}, OURS, ""),
    "waking with several": ({"replicas": 0}, {"replicas": 5}, OURS, ""),
    "more of what runs": ({"replicas": 1}, {"replicas": 2}, OURS, "no replicas"),
    "fewer of what runs": ({"replicas": 5}, {"replicas": 1}, OURS, "no replicas"),
    "to sleep": ({"replicas": 1}, {}, OURS, "no replicas, never takes"),
    "nothing at all": ({}, {}, OURS, "never takes"),
    "somebody else's": ({}, {"replicas": 1}, "app=shop", "models of Serinus"),
    "a selector that looks like ours": ({}, {"replicas": 1}, "x/serinus.dev/role=serving-not", "models of Serinus"),
    "a preflight": ({}, {"replicas": 1}, "serinus.dev/role=preflight", "models of Serinus"),
}


@pytest.mark.parametrize(("old", "new", "selector", "refused"), CASES.values(), ids=CASES)
def test_gateway_may_only_wake_models_of_ours(
    old: dict[str, Any], new: dict[str, Any], selector: str, refused: str
) -> None:
    environment = cel.NewEnv(variables={"oldObject": cel.Type.DYN, "object": cel.Type.DYN})
    data = {"oldObject": {"spec": old, "status": {"selector": selector}}, "object": {"spec": new}}
    said = [message for rule, message in RULES if environment.compile(rule).eval(data=data).plain_value() is not True]
    assert len(RULES) == 3
    assert len(said) == len([word for word in refused.split(",") if word])
    assert all(word.strip() in message for word, message in zip(refused.split(","), said, strict=False))
