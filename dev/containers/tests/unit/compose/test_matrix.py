from attendance_containers.compose.matrix import differences
from attendance_deploy.access.permissions import read_permissions

PERMISSIONS = read_permissions()
PARTIES = {"ingest", "query-api", "gateway", "kafka", "object-store", "object-store-data"}
RIGHT = {
    ("gateway", "ingest", 8001),
    ("gateway", "query-api", 8002),
    ("ingest", "kafka", 9092),
    ("ingest", "object-store", 8333),
    ("query-api", "kafka", 9092),
}


def test_nothing_is_wrong_where_it_connects_as_written() -> None:
    assert differences(PERMISSIONS, RIGHT, PARTIES, is_secure=False) == []
    # The world may enter the gateway; the store and its door are one.
    more = {("kafka", "gateway", 8080), ("object-store-data", "object-store", 8333)}
    assert differences(PERMISSIONS, RIGHT | more, PARTIES, is_secure=False) == []


def test_what_is_missing_and_what_is_too_much_is_told() -> None:
    found = RIGHT - {("ingest", "kafka", 9092)} | {
        ("ingest", "query-api", 8002),
        ("ingest", "object-store-data", 8888),
        ("kafka", "gateway", 9999),
    }
    assert differences(PERMISSIONS, found, PARTIES, is_secure=False) == [
        "ingest may call kafka:9092, and does not reach it",
        "ingest reaches object-store-data:8888, and may not call it",
        "ingest reaches query-api:8002, and may not call it",
        "kafka reaches gateway:9999, and may not call it",
    ]


def test_where_all_speak_tls_other_ports_are_right() -> None:
    assert ("ingest may call kafka:9093, and does not reach it") in differences(
        PERMISSIONS, RIGHT, PARTIES, is_secure=True
    )
