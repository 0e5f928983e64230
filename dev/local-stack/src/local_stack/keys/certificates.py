"""Certificates of a secured stack, and of authorities that tests make up.

Laid out as cert-manager does: a folder for each name with `ca.crt`, `tls.crt` and `tls.key`. The CN is the
name. Files are replaced by renaming, as tools that renew them do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from local_stack.files import write_private
from local_stack.running.ports import LOOPBACK

AUTHORITY = "authority"
STACKS_LAST = timedelta(days=365)
HERE = ("localhost", LOOPBACK)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of one name."""

    name: str
    folder: Path

    @property
    def ca(self) -> Path:
        """The certificates of the authorities that others must show."""
        return self.folder / "ca.crt"

    @property
    def cert(self) -> Path:
        """The certificate."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.folder / "tls.key"

    def serial(self) -> int:
        """Return the number of the certificate that lies here."""
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number


class Authority:
    """Issues certificates for both ends of connections on this machine."""

    def __init__(self, ca: trustme.CA | None = None) -> None:
        self._ca = trustme.CA() if ca is None else ca
        self.pem = _text(self._ca.cert_pem)

    @classmethod
    def kept_in(cls, folder: Path) -> Authority:
        """Return the authority of a folder; make it when there is none yet."""
        cert, key = folder / "tls.crt", folder / "tls.key"
        if key.exists():
            return cls(trustme.CA.from_pem(cert.read_bytes(), key.read_bytes()))
        folder.mkdir(parents=True, exist_ok=True)
        ca = trustme.CA()
        write_private(cert, _text(ca.cert_pem))
        # Last, because its presence says that the pair is complete.
        write_private(key, _text(ca.private_key_pem))
        return cls(ca)

    def issue(
        self,
        folder: Path,
        name: str,
        *,
        believing: Sequence[Authority] = (),
        valid: timedelta = timedelta(days=1),
        hosts: Sequence[str] = (),
        organisation: str | None = None,
    ) -> Certificate:
        """Write a certificate with this common name, and the authorities to believe; itself by default.

        valid: how long from now on; negative for one that has expired. hosts: names and addresses where it is
        shown; the name itself and this machine by default. organisation: what Kubernetes takes for a group.
        """
        made = self._ca.issue_cert(
            *(hosts or (name, *HERE)),
            common_name=name,
            organization_name=organisation,
            not_after=datetime.now(UTC) + valid,
        )
        certificate = Certificate(name, folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Kafka reads no other form of a key.
        key = load_pem_private_key(made.private_key_pem.bytes(), password=None)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        write_private(certificate.ca, "".join(each.pem for each in believing or (self,)))
        write_private(certificate.cert, "".join(map(_text, made.cert_chain_pems)))
        write_private(certificate.key, text)
        return certificate


def authority_of(stack: Path) -> Authority:
    """Return the authority of a stack; make it when there is none yet."""
    return Authority.kept_in(stack / "certificates" / AUTHORITY)


def certificate_of(stack: Path, name: str) -> Certificate:
    """Return the certificate of a name in a stack; make it when there is none yet."""
    found = Certificate(name, stack / "certificates" / name)
    return found if found.key.exists() else authority_of(stack).issue(found.folder, name, valid=STACKS_LAST)


def _text(blob: trustme.Blob) -> str:
    return blob.bytes().decode("ascii")
