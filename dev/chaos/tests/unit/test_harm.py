from typing import Any

from attendance_demo.errors import ServiceFailed
from chaos.harm import Harms
from chaos.plan import Harm


class DeadService:
    """A service that ends whenever it is started."""

    name = "query-api"
    url = "http://127.0.0.1:1"

    def kill(self) -> None:
        """Be gone."""

    def wait_ready(self, _deadline: float) -> None:
        raise ServiceFailed("query-api ended with exit code 1")


class DeadDeployment:
    def __init__(self) -> None:
        self.services = {"query-api": DeadService()}

    def start(self, name: str, **_options: Any) -> DeadService:
        return self.services[name]


async def test_a_service_that_does_not_come_back_is_noted():
    harms = Harms(DeadDeployment(), None, None, {})  # type: ignore[arg-type]
    await harms.do([Harm("kill", "query-api", "kill -9", 0, 0)])
    assert harms.ended == ["query-api ended with exit code 1"]
