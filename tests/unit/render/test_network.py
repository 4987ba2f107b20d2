"""What stands behind the entry Service: a selector that is never taken away, and slices that lead to the gateways."""

from tests.unit.decide.subjects import subject

from serinus_api import names
from serinus_operator.places import IDLING, GatewayPod, Traffic
from serinus_operator.render.network import entry_service, gateway_slices


def test_proxied_adds_one_label_that_no_pod_bears_and_removes_none() -> None:
    direct = entry_service(subject(), "iris-1")["spec"]
    proxied = entry_service(subject(), "iris-1", proxied=True)["spec"]
    assert proxied["selector"] == {**direct["selector"], names.LABEL_PROXIED: "true"}
    assert {**proxied, "selector": None} == {**direct, "selector": None}


def test_slices_bear_the_models_own_port_under_the_services_port_name() -> None:
    pods = (GatewayPod("b", ("10.0.0.2", "fd00::2")), GatewayPod("a", ("10.0.0.1",)))
    four, six = gateway_slices(subject(), Traffic(IDLING, gateways=pods, port=20017))
    assert (four["addressType"], six["addressType"]) == ("IPv4", "IPv6")
    assert [endpoint["addresses"] for endpoint in four["endpoints"]] == [["10.0.0.1"], ["10.0.0.2"]]
    assert [endpoint["addresses"] for endpoint in six["endpoints"]] == [["fd00::2"]]
    (port,) = entry_service(subject(), "iris-1")["spec"]["ports"]
    assert [(p["name"], p["port"]) for p in four["ports"]] == [(port["name"], 20017)]
    labels = four["metadata"]["labels"]
    assert labels["kubernetes.io/service-name"] == "iris"
    assert labels["endpointslice.kubernetes.io/managed-by"] == "serinus"


def test_no_gateways_no_slices() -> None:
    assert list(gateway_slices(subject(), Traffic(port=20017, gateways=()))) == []
    assert list(gateway_slices(subject(), Traffic(port=20017, gateways=None))) == []


def test_long_name_keeps_its_slice_within_the_bounds() -> None:
    assert len(names.gateway_slice_name("a" * 63, "IPv6")) <= names.MAX_NAME
