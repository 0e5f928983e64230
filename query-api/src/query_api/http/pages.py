"""Page parameters and page answers, the same for every list."""

from typing import Annotated, Generic, TypeVar

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from query_api.domain.pages import Page, PageRequest
from service_kit.fields import Readable

Row = TypeVar("Row")

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000

Text = Annotated[str, StringConstraints(min_length=1, max_length=200), Readable]
TextInPath = Annotated[str, Path(min_length=1, max_length=200), Readable]


class Parameters(BaseModel):
    """Base of every query string: a misspelt parameter is an error and never a wider answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageParameters(Parameters):
    """The part of a query string that every list has."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT, description="Rows on a page.")
    cursor: str | None = Field(
        default=None,
        max_length=2048,
        description="From `next` of the page before; opaque, with the same filters.",
    )

    def page_request(self) -> PageRequest:
        """Return what a use case takes."""
        return PageRequest(self.limit, self.cursor)


class PageAnswer(BaseModel, Generic[Row]):
    """Rows in a stable order; `next` leads to the following page and is null on the last."""

    items: list[Row]
    next: str | None = Field(description="Path and query of the next page; also as a `Link` header.")


def next_link(request: Request, response: Response, page: Page[Row]) -> str | None:
    """Return the path of the next page, and set the `Link` header of RFC 8288."""
    if page.next_cursor is None:
        return None
    link = f"{request.url.path}?{request.url.include_query_params(cursor=page.next_cursor).query}"
    response.headers["Link"] = f'<{link}>; rel="next"'
    return link


def page_answer(request: Request, response: Response, page: Page[Row]) -> PageAnswer[Row]:
    """Return the answer for a page."""
    return PageAnswer(items=list(page.items), next=next_link(request, response, page))
