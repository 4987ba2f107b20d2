"""Certificates and kubeconfigs, made anew at every start of the cluster: one authority, one certificate per component.

Client names are those that Kubernetes' own RBAC knows (`system:nodes`, `system:kube-scheduler` …). Keys are readable by
their owner only. Pure but for `write_all`; `now` is handed in.
"""

import base64
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from dev.cluster.network import API_PORT, NODE_ADDRESS, NODE_NAME, SERVICE_FIRST
from dev.cluster.paths import Layout

LIFETIME = timedelta(days=365)
BACKDATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return private_pem(self.key)


@dataclass(frozen=True)
class Request:
    """What a certificate is to say. `hosts` makes it a server's too."""

    name: str
    common_name: str
    organization: str | None = None
    hosts: tuple[str, ...] = ()


API_SERVER = Request(
    "apiserver",
    "kube-apiserver",
    hosts=(
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        SERVICE_FIRST,
        NODE_ADDRESS,
    ),
)
ADMIN = Request("admin", "serinus-admin", "system:masters")
CLIENTS = (
    ADMIN,
    Request("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Request("controller-manager", "system:kube-controller-manager"),
    Request("scheduler", "system:kube-scheduler"),
    Request("proxy", "system:kube-proxy"),
    Request("dns", "serinus:dns"),
    Request("node", f"system:node:{NODE_NAME}", "system:nodes", hosts=(NODE_NAME, NODE_ADDRESS)),
)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "serinus-cluster")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue(request: Request, signer: Pair, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)]
    if request.organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, request.organization))
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if request.hosts:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    unsigned = (
        builder(x509.Name(attributes), signer.certificate.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    if request.hosts:
        unsigned = unsigned.add_extension(x509.SubjectAlternativeName(alternative_names(request.hosts)), critical=False)
    return Pair(unsigned.sign(signer.key, hashes.SHA256()), key)


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
    )


def alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    """Addresses as addresses, everything else as DNS names."""
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def render_kubeconfig(server: str, authority_pem: bytes, client: Pair) -> str:
    """A kubeconfig that needs no other file."""

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "serinus",
            "clusters": [
                {"name": "serinus", "cluster": {"server": server, "certificate-authority-data": encoded(authority_pem)}}
            ],
            "users": [
                {
                    "name": "serinus",
                    "user": {
                        "client-certificate-data": encoded(client.certificate_pem),
                        "client-key-data": encoded(client.key_pem),
                    },
                }
            ],
            "contexts": [{"name": "serinus", "context": {"cluster": "serinus", "user": "serinus"}}],
        }
    )


def write_all(layout: Layout, now: datetime) -> None:
    """Certificates and keys under `pki/`, kubeconfigs of the components under `clients/`, the person's at the top."""
    signer = authority(now)
    write(layout.pki / "ca.crt", signer.certificate_pem)
    write(layout.pki / "ca.key", signer.key_pem)
    write(layout.pki / "service-accounts.key", private_pem(ec.generate_private_key(ec.SECP256R1())))
    for request in (API_SERVER, *CLIENTS):
        pair = issue(request, signer, now)
        write(layout.pki / f"{request.name}.crt", pair.certificate_pem)
        write(layout.pki / f"{request.name}.key", pair.key_pem)
        if request in CLIENTS:
            text = render_kubeconfig(f"https://127.0.0.1:{API_PORT}", signer.certificate_pem, pair)
            write(layout.client(request.name), text.encode())
        if request is ADMIN:
            text = render_kubeconfig(f"https://{NODE_ADDRESS}:{API_PORT}", signer.certificate_pem, pair)
            write(layout.kubeconfig, text.encode())


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)
