from ipaddress import ip_address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from attendance_containers.kubernetes.credentials import ADMINISTRATORS, Credentials

URL = "https://10.0.0.1:6443"


def test_a_kubeconfig_shows_the_certificate_of_its_user_and_group(tmp_path: Path) -> None:
    made = Credentials(tmp_path, URL).kubeconfig("admin", "system:admin", group=ADMINISTRATORS)
    content = yaml.safe_load(made.read_text())
    (user,), (cluster,) = content["users"], content["clusters"]
    subject = x509.load_pem_x509_certificate(Path(user["user"]["client-certificate"]).read_bytes()).subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:admin"]
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        ADMINISTRATORS
    ]
    assert cluster["cluster"]["server"] == URL
    assert made.stat().st_mode & 0o077 == 0


def test_a_server_is_good_for_its_names_and_addresses_alone(tmp_path: Path) -> None:
    made = Credentials(tmp_path, URL).issue("api", "kube-apiserver", hosts=("kubernetes", "10.0.0.1"))
    certificate = x509.load_pem_x509_certificate(made.cert.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.1")]


def test_all_believe_one_authority(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, URL)
    one, other = credentials.issue("one", "one"), credentials.issue("other", "other")
    assert one.ca.read_text() == other.ca.read_text()
    authority = x509.load_pem_x509_certificate(one.ca.read_bytes())
    for each in (one, other):
        x509.load_pem_x509_certificate(each.cert.read_bytes()).verify_directly_issued_by(authority)
