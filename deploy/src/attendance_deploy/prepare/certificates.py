"""An authority of this installation, and a certificate for each party, renewed before it ends.

Each certificate is for both ends of connections, and lies as cert-manager lays it: `tls/ca.crt`,
`tls/tls.crt`, `tls/tls.key` among the secrets of its party. The CN is the name of the party. The authority's
key is seen by `prepare` alone.
"""

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from attendance_deploy.prepare.secret_files import SecretFiles

AUTHORITY_KEY, AUTHORITY = "authority_key", "authority_certificate"
AUTHORITY_LASTS, LASTS = timedelta(days=3650), timedelta(days=90)
RENEWED_BEFORE = timedelta(days=30)
# Clocks of machines differ.
BEGINS_BEFORE = timedelta(minutes=5)
FOLDER, CA, CERT, KEY = "tls", "tls/ca.crt", "tls/tls.crt", "tls/tls.key"
# As whom Kafka's permissions are made: no service, and one of the brokers' super users.
KAFKA_ADMINISTRATOR = "kafka-administrator"


def prepare_certificates(files: SecretFiles, names: Iterable[str]) -> None:
    """Make the authority once, and a certificate for each name that has none or one that ends soon."""
    key = files.once(AUTHORITY_KEY, _new_key)
    authority = files.once(AUTHORITY, lambda: _authority(key))
    for name in names:
        _certificate(files, name, name, authority, key)
    _certificate(files, "prepare", KAFKA_ADMINISTRATOR, authority, key, folder=f"{KAFKA_ADMINISTRATOR}/")


def url_options(secrets: Path) -> str:
    """Return what a URL of PostgreSQL says so that both ends show certificates. secrets: of the client."""
    own = f"sslcert={secrets / CERT}&sslkey={secrets / KEY}"
    return f"?sslmode=verify-full&sslrootcert={secrets / CA}&{own}"


def client_context(secrets: Path) -> ssl.SSLContext:
    """Return how `prepare` itself connects. secrets: its own."""
    context = ssl.create_default_context(cafile=secrets / CA)
    context.load_cert_chain(secrets / CERT, secrets / KEY)
    return context


def _certificate(
    files: SecretFiles, service: str, name: str, authority: str, authority_key: str, *, folder: str = ""
) -> None:
    if not files.has_folder(service):
        return
    files.give(service, folder + CA, authority)
    if _is_good(files.read(service, folder + CERT), files.read(service, folder + KEY), authority):
        return
    key = _new_key()
    # Whoever looks in between finds a certificate and a key that do not fit together, and keeps what it had.
    files.give(service, folder + KEY, key)
    files.give(service, folder + CERT, _issue(name, key, authority, authority_key))


def _is_good(certificate: str | None, key: str | None, authority: str) -> bool:
    """Tell whether a certificate is of this authority, belongs to this key, and lasts."""
    if certificate is None or key is None:
        return False
    found = x509.load_pem_x509_certificate(certificate.encode())
    if found.not_valid_after_utc - datetime.now(UTC) < RENEWED_BEFORE:
        return False
    issuer = x509.load_pem_x509_certificate(authority.encode())
    is_ours = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value == _key_id(issuer)
    return is_ours and found.public_key() == _load(key).public_key()


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    # Kafka reads no other form.
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


def _load(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a key of ours is no key of an elliptic curve")
    return key


def _authority(pem: str) -> str:
    key, name = _load(pem), _name("attendance authority")
    usage = _usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
    return _pem(
        _builder(name, name, key.public_key(), AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _issue(name: str, pem: str, authority: str, authority_key: str) -> str:
    issuer = x509.load_pem_x509_certificate(authority.encode())
    # NAME.inside: where a container listens that is on several networks. Health checks ask at 127.0.0.1.
    hosts = [x509.DNSName(each) for each in (name, f"{name}.inside", "localhost")]
    here = x509.IPAddress(IPv4Address("127.0.0.1"))
    both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return _pem(
        _builder(_name(name), issuer.subject, _load(pem).public_key(), LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName([*hosts, here]), critical=False)
        .add_extension(_key_id(issuer), critical=False)
        .sign(_load(authority_key), hashes.SHA256())
    )


def _key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEGINS_BEFORE)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(**uses: bool) -> x509.KeyUsage:
    every = (
        *(
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
        ),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{use: uses.get(use, False) for use in every})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode().strip()
