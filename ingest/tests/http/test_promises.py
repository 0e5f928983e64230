import httpx
import pytest

from attendance_testing.http_promises import Guarded, HttpPromises


@pytest.fixture
def client(front) -> httpx.AsyncClient:
    return front.client


@pytest.fixture
def guarded() -> Guarded:
    return "DELETE", "/v1/people/p-1/biometrics"


class TestPromises(HttpPromises):
    pass
