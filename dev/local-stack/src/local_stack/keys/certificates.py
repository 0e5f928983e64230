"""Certificates of a secured stack: one authority, and one for each name, servers and clients alike.

Laid out as cert-manager does: a folder for each name with `ca.crt`, `tls.crt` and `tls.key`. The CN is the
name.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_stack.files import write_private
from local_stack.running.ports import LOOPBACK

AUTHORITY = "authority"
VALID_FOR = timedelta(days=365)


@dataclass(frozen=True)
class Certificate:
    """The files of one name."""

    name: str
    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate of the authority that others must show."""
        return self.folder / "ca.crt"

    @property
    def cert(self) -> Path:
        """The certificate."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.folder / "tls.key"


def certificate_of(stack: Path, name: str) -> Certificate:
    """Return the certificate of a name in a stack; make it, and the authority, when there is none yet."""
    found = Certificate(name, stack / "certificates" / name)
    if not found.key.exists():
        issue(stack, found, ends_at=datetime.now(UTC) + VALID_FOR)
    return found


def issue(stack: Path, certificate: Certificate, *, ends_at: datetime) -> None:
    """Make a certificate that ends at an instant, also one of the past."""
    authority, authority_key = _authority(stack)
    key = ec.generate_private_key(ec.SECP256R1())
    begins_at = min(ends_at, datetime.now(UTC)) - timedelta(days=1)
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    names = [x509.IPAddress(ip_address(LOOPBACK)), x509.DNSName("localhost"), x509.DNSName(certificate.name)]
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        _builder(certificate.name, authority.subject, key, begins_at, ends_at)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate.folder.mkdir(parents=True, exist_ok=True)
    certificate.ca.write_bytes(_pem(authority))
    certificate.cert.write_bytes(_pem(made))
    write_private(certificate.key, _key_text(key))


def _authority(stack: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    folder = stack / "certificates" / AUTHORITY
    cert, key_file = folder / "tls.crt", folder / "tls.key"
    if not key_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local-stack")])
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
        made = (
            _builder("local-stack", subject, key, now - timedelta(days=3650), now + 2 * VALID_FOR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        cert.write_bytes(_pem(made))
        write_private(key_file, _key_text(key))
    loaded = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{key_file} holds another kind of key")
    return x509.load_pem_x509_certificate(cert.read_bytes()), loaded


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins_at: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")
