"""What every HTTP API of this project promises, as one suite that each app passes.

A test module makes the fixtures `client` and `guarded` (method and path of a route that wants a token), and a
class `TestPromises(HttpPromises)`.
"""

import re
import urllib.parse
from uuid import UUID

import httpx
import pytest

HEADER = "X-Correlation-ID"
KEPT = ("7", "till-7:42", "shift_report.7", "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55", "a" * 128)
REPLACED = ("", " ", "a b", 'x"; drop', "a\tb", "Zoë", "a/b", "a" * 129)
WRONG = ("", "a\x00b", "\ud800", "a" * 5000, "9" * 40, "-1", "2026-13-01", "0", "20261101", "a/../b", "'")
# Words of the framework and its patterns, which tell a sender nothing.
FOREIGN = (
    "Value error",
    "Input should",
    "Extra inputs",
    "Field required",
    "pattern",
    "regex",
    "urn:uuid",
    "{0,",
)
_PLACE = re.compile(r"{\w+}")
Guarded = tuple[str, str]


class HttpPromises:
    """The correlation id of a request, the problems of its token and parameters, and where it leads."""

    @pytest.mark.parametrize("given", KEPT)
    async def test_the_callers_correlation_id_is_kept(
        self, client: httpx.AsyncClient, guarded: Guarded, given: str
    ) -> None:
        answer = await client.request(*guarded, headers={HEADER: given, "Authorization": ""})
        assert answer.headers[HEADER] == given
        assert answer.json()["correlation_id"] == given

    @pytest.mark.parametrize("given", REPLACED)
    async def test_an_unusable_correlation_id_is_replaced(
        self, client: httpx.AsyncClient, guarded: Guarded, given: str
    ) -> None:
        headers = {HEADER: given.encode(), "Authorization": b""}
        answer = await client.request(*guarded, headers=headers)
        assert str(UUID(answer.headers[HEADER])) == answer.headers[HEADER]
        assert answer.json()["correlation_id"] == answer.headers[HEADER]

    async def test_every_answer_has_a_correlation_id(self, client: httpx.AsyncClient) -> None:
        for path in ("/health/live", "/metrics", "/openapi.json", "/v1/nothing"):
            assert UUID((await client.get(path)).headers[HEADER])

    @pytest.mark.parametrize("header", ["", "Basic Zm9v", "Bearer", "Token x"])
    async def test_without_a_bearer_token_one_is_asked_for(
        self, client: httpx.AsyncClient, guarded: Guarded, header: str
    ) -> None:
        answer = await client.request(*guarded, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:problem:token-needed")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in answer.json()["detail"]

    async def test_a_false_token_is_told_from_none(self, client: httpx.AsyncClient, guarded: Guarded) -> None:
        answer = await client.request(*guarded, headers={"Authorization": "Bearer forged"})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:problem:invalid-token")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert "get a new token" in answer.json()["detail"]

    async def test_the_description_tells_of_both(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                told = operation["responses"]["401"]["description"]
                assert "`token-needed`" in told, (method, path)
                assert "`invalid-token`" in told, (method, path)
                assert operation["security"] == [{"HTTPBearer": []}], (method, path)

    async def test_a_parameter_is_known_and_given_once(self, client: httpx.AsyncClient) -> None:
        """On every route, with parameters that the description names; whoever asks."""
        document = (await client.get("/openapi.json")).json()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
                for query in ["nonsense=1", *(f"{name}=1&{name}=2" for name in names)]:
                    address = _PLACE.sub("019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55", path)
                    answer = await client.request(method, f"{address}?{query}")
                    assert answer.status_code == 422, (method, path, query)
                    assert answer.json()["errors"][0]["field"] == f"query.{query.partition('=')[0]}"

    @pytest.mark.parametrize("value", WRONG, ids=ascii)
    async def test_wrong_parameters_are_told_in_plain_words(
        self, client: httpx.AsyncClient, value: str
    ) -> None:
        """On every route, in its path and in each parameter; no 500, whatever is sent."""
        document = (await client.get("/openapi.json")).json()
        told = 0
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
                good = _PLACE.sub("019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55", path)
                wrong = urllib.parse.quote(value, errors="surrogatepass", safe="")
                addresses = [f"{good}?{name}={wrong}" for name in names]
                if wrong and good != path:
                    addresses.append(_PLACE.sub(wrong, path))
                for address in addresses:
                    answer = await client.request(method, address)
                    assert answer.status_code < 500, (method, address, answer.text)
                    told += answer.status_code == 422
                    assert not [word for word in FOREIGN if word in answer.text], answer.text
        assert told or not value

    async def test_what_is_not_here_is_told_with_what_is(self, client: httpx.AsyncClient) -> None:
        absent = await client.get("/v1/nothing")
        assert (absent.status_code, absent.json()["type"]) == (404, "urn:problem:not-found")
        assert "/docs" in absent.json()["detail"]
        document = (await client.get("/openapi.json")).json()
        for path, methods in document["paths"].items():
            address = _PLACE.sub("019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55", path)
            answer = await client.request("TRACE", address)
            assert answer.status_code == 405, path
            allowed = set(answer.headers["Allow"].split(", "))
            assert allowed >= {method.upper() for method in methods}, path
            assert answer.json()["detail"].endswith(f"it takes {answer.headers['Allow']}"), path

    @pytest.mark.parametrize("path", ["/", "/v1/organisation/", "/v1/people/", "/health/ready/", "/docs/"])
    async def test_no_address_leads_to_the_host_that_the_sender_names(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        answer = await client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 404
        assert "location" not in answer.headers
