"""Who may ask a model's pods for their load: the operator, the gateways where there are any, and nobody else."""

from tests.unit.decide.subjects import subject

from serinus_operator.render.policy import metrics_policy
from serinus_operator.state import RenderOptions

OPERATOR = {"app.kubernetes.io/name": "serinus-operator"}
GATEWAY = {"app.kubernetes.io/name": "serinus-gateway"}


def admitted(options: RenderOptions) -> list[tuple[str, dict[str, str]]]:
    """Namespace and labels of those who may reach the second port."""
    rules = metrics_policy(subject(), options)["spec"]["ingress"]
    (closed,) = [rule for rule in rules if "from" in rule]
    assert [port["port"] for port in closed["ports"]] == [8081]
    return [
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], peer["podSelector"]["matchLabels"])
        for peer in closed["from"]
    ]


def test_gateways_of_this_installation_read_the_load_as_the_operator_does() -> None:
    options = RenderOptions(operator_namespace="models", operator_labels=OPERATOR, gateway_labels=GATEWAY)
    assert admitted(options) == [("models", OPERATOR), ("models", GATEWAY)]


def test_without_gateways_the_operator_alone_does() -> None:
    """An empty selector would be every pod of the namespace."""
    assert admitted(RenderOptions(operator_labels=OPERATOR)) == [("serinus-system", OPERATOR)]
