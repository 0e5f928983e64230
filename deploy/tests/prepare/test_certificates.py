"""Certificates of an installation: one for each party, of one authority, renewed before they end."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from attendance_deploy.prepare import certificates
from attendance_deploy.prepare.certificates import CA, CERT, KAFKA_ADMINISTRATOR, KEY, client_context
from attendance_deploy.prepare.secret_files import SecretFiles
from attendance_deploy.prepare.secrets import prepare_secrets

NAMES = ("ingest", "query-api", "kafka")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("prepare", *NAMES):
        (tmp_path / name).mkdir()
    return tmp_path


def prepared(root: Path) -> list[str]:
    files = SecretFiles(root)
    certificates.prepare_certificates(files, ("prepare", *NAMES, "somebody-elsewhere"))
    return files.changed


def certificate(root: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((root / name / CERT).read_bytes())


def test_each_party_has_its_own_and_again_nothing_changes(root: Path) -> None:
    prepared(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name in NAMES:
        (common_name,) = certificate(root, name).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert common_name.value == name
    assert certificate(root, f"prepare/{KAFKA_ADMINISTRATOR}").subject.rfc4514_string() == (
        f"CN={KAFKA_ADMINISTRATOR}"
    )
    assert not (root / "somebody-elsewhere").exists()
    assert prepared(root) == []
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_the_key_of_the_authority_is_seen_by_prepare_alone(root: Path) -> None:
    prepared(root)
    key = (root / "prepare/authority_key").read_text()
    assert [path for path in root.rglob("*") if path.is_file() and path.read_text() == key] == [
        root / "prepare/authority_key"
    ]


def test_what_ends_within_thirty_days_is_renewed_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root)
    authority = (root / "ingest" / CA).read_text()
    (root / "ingest" / CERT).unlink()
    monkeypatch.setattr(certificates, "LASTS", timedelta(days=29))
    prepared(root)
    monkeypatch.undo()
    old = certificate(root, "ingest")
    assert prepared(root) == ["ingest/tls/tls.key", "ingest/tls/tls.crt"]
    new = certificate(root, "ingest")
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc > datetime.now(UTC) + timedelta(days=80)
    assert (root / "ingest" / CA).read_text() == authority


@pytest.mark.parametrize("lost", [CERT, KEY])
def test_a_half_that_was_lost_is_made_again_with_the_other(root: Path, lost: str) -> None:
    prepared(root)
    (root / "ingest" / lost).unlink()
    prepared(root)
    assert (
        certificate(root, "ingest").public_key()
        == certificates._load((root / "ingest" / KEY).read_text()).public_key()
    )


def test_a_certificate_of_another_authority_is_replaced(root: Path, tmp_path_factory) -> None:
    prepared(root)
    other = tmp_path_factory.mktemp("other")
    for name in ("prepare", *NAMES):
        (other / name).mkdir()
    prepared(other)
    for name in (CERT, KEY):
        (root / "ingest" / name).unlink()
        (root / "ingest" / name).write_text((other / "ingest" / name).read_text())
    assert prepared(root) == ["ingest/tls/tls.key", "ingest/tls/tls.crt"]


@pytest.mark.parametrize("name", ["query-api", "query-api.inside", "localhost", "127.0.0.1"])
def test_both_ends_believe_each_other_under_every_name_of_the_server(root: Path, name: str) -> None:
    """Strictly, as Python 3.13 checks by itself."""
    prepared(root)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=root / "query-api" / CA)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(root / "query-api" / CERT, root / "query-api" / KEY)
    client = client_context(root / "ingest")
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as secured:
            secured.sendall(secured.getpeercert()["subject"][0][0][1].encode())

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname=name) as secured:
        assert secured.recv(100) == b"ingest"
    thread.join()


def test_with_tls_urls_name_the_files_of_their_service(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OBJECT_STORE_ACCESS_KEY", "OBJECT_STORE_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREPARE_TLS", "true")
    said: list[str] = []
    prepare_secrets(root, said.append)
    url = (root / "query-api/query_database_url").read_text()
    assert "?sslmode=verify-full&sslrootcert=/run/secrets/tls/ca.crt&sslcert=/run/secrets/tls/tls.crt" in url
    said.clear()
    prepare_secrets(root, said.append)
    assert said == ["nothing to do"]
    (root / "ingest" / KEY).unlink()
    prepare_secrets(root, said.append)
    assert said[1:] == [
        "changed ingest/tls/tls.crt; services take it up as they run, servers when they start again"
    ]
