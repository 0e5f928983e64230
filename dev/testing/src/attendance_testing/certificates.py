"""Certificates of authorities that tests make up, in folders as cert-manager writes them; and servers' TLS.

A folder holds `ca.crt`, `tls.crt` and `tls.key`. Files are replaced by renaming, as tools that renew them do.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = ipaddress.ip_address("127.0.0.1")
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one holder keeps its certificate."""

    path: Path

    @property
    def ca(self) -> Path:
        return self.path / "ca.crt"

    @property
    def cert(self) -> Path:
        return self.path / "tls.crt"

    @property
    def key(self) -> Path:
        return self.path / "tls.key"

    def serial(self) -> int:
        """Return the number of the certificate that lies here."""
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number

    def replace(self, file: Path, content: bytes) -> None:
        scratch = file.with_suffix(".new")
        scratch.write_bytes(content)
        scratch.rename(file)


class Authority:
    """Issues certificates for this machine's own address."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._begun(self._name, self._key.public_key(), DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.pem = _pem(made.sign(self._key, hashes.SHA256()))

    def issue(
        self,
        path: Path,
        name: str,
        *,
        believing: "list[Authority] | None" = None,
        valid: dt.timedelta = DAY,
        is_for_loopback: bool = True,
    ) -> Folder:
        """Write a certificate with this common name, and the authorities to believe; itself by default.

        valid: how long from now on; negative for one that has expired.
        """
        path.mkdir(parents=True, exist_ok=True)
        folder, key = Folder(path), ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        here = [x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)] if is_for_loopback else []
        names = x509.SubjectAlternativeName([x509.DNSName(name), *here])
        made = self._begun(subject, key.public_key(), valid).add_extension(names, critical=False)
        folder.replace(folder.ca, b"".join(each.pem for each in believing or [self]))
        folder.replace(folder.cert, _pem(made.sign(self._key, hashes.SHA256())))
        folder.replace(
            folder.key,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        return folder

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, valid: dt.timedelta
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now + valid)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
