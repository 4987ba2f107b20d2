"""Certificates name what Kubernetes' own rules expect, and one authority signs them all."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from dev.cluster import pki
from dev.cluster.paths import Layout

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> pki.Pair:
    return pki.authority(NOW)


def test_node_certificate_is_client_and_server(authority: pki.Pair) -> None:
    node = next(request for request in pki.CLIENTS if request.name == "node")
    certificate = pki.issue(node, authority, NOW).certificate
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "O=system:nodes,CN=system:node:serinus"
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}


def test_api_server_is_reached_by_name_by_service_address_and_by_node_address(authority: pki.Pair) -> None:
    certificate = pki.issue(pki.API_SERVER, authority, NOW).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "10.96.0.1", "10.244.0.1"}


def test_plain_client_is_no_server(authority: pki.Pair) -> None:
    certificate = pki.issue(pki.ADMIN, authority, NOW).certificate
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)


def test_validity_starts_a_little_before_now(authority: pki.Pair) -> None:
    assert authority.certificate.not_valid_before_utc == NOW - pki.BACKDATE
    assert authority.certificate.not_valid_after_utc == NOW + pki.LIFETIME


def test_kubeconfigs_need_no_other_file_and_are_private(tmp_path: Path) -> None:
    layout = Layout(cache=tmp_path / "cache", state=tmp_path / "state")
    pki.write_all(layout, NOW)
    config = yaml.safe_load(layout.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://10.244.0.1:6443"
    assert b"PRIVATE KEY" in base64.b64decode(config["users"][0]["user"]["client-key-data"])
    assert {path.stat().st_mode & 0o077 for path in layout.state.rglob("*") if path.is_file()} == {0}
    inside = yaml.safe_load(layout.client("scheduler").read_text())
    assert inside["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
