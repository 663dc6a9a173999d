"""Answers that come in pages: how each page leads to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field

from workflow_engine.nodes.action.http.answer import Answer
from workflow_engine.nodes.action.http.text import text
from workflow_engine.nodes.action.transform import search
from workflow_engine.nodes.spec import Json, NodeFailure, Parameters


def _compiles(path: str) -> str:
    if "{{" not in path:
        try:
            jmespath.compile(path)
        except JMESPathError as error:
            raise ValueError(f"{path!r} is no JMESPath: {error}") from None
    return path


Path: TypeAlias = Annotated[str, AfterValidator(_compiles)]
"""A JMESPath into the body, e.g. `data.items`."""


class NoPages(Parameters):
    """One request."""

    mode: Literal["none"] = "none"
    """The answer is complete."""


class PageNumbers(Parameters):
    """Pages are counted; the first empty one ends it."""

    mode: Literal["page_number"]
    """Page 1, page 2 and so on."""
    parameter: str = "page"
    """Query parameter for the number."""
    start: int = 1
    """Number of the first page."""


class Offsets(Parameters):
    """Records are counted; a page with fewer than `limit` ends it."""

    mode: Literal["offset"]
    """From record 0, from record 100 and so on."""
    parameter: str = "offset"
    """Query parameter for the position of the first record."""
    limit_parameter: str = "limit"
    """Query parameter for the page size."""
    limit: int = Field(default=100, ge=1, le=100_000)
    """Records in a page."""


class Cursors(Parameters):
    """Each page names what to ask for next; none, an empty one or the same again ends it."""

    mode: Literal["cursor"]
    """A token from the answer goes into the next request."""
    parameter: str = "cursor"
    """Query parameter for the token."""
    path: Path = "next_cursor"
    """Where the answer has it, as a JMESPath."""


class Links(Parameters):
    """The `Link` header has the next page as rel="next"."""

    mode: Literal["link_header"]
    """As GitHub and GitLab do it."""


class NextUrls(Parameters):
    """Each page has the address of the next one."""

    mode: Literal["next_url"]
    """An address from the answer is requested next."""
    path: Path = "next"
    """Where the answer has it, as a JMESPath."""


Pages: TypeAlias = Annotated[NoPages | PageNumbers | Offsets | Cursors | Links | NextUrls, Field(discriminator="mode")]


@dataclass(frozen=True, slots=True)
class Step:
    """One page's request: what differs from the node's own."""

    query: dict[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    """In place of the node's url and query."""
    number: int = 0


def first(pages: Pages) -> Step:
    match pages:
        case PageNumbers():
            return Step({pages.parameter: str(pages.start)})
        case Offsets():
            return Step({pages.parameter: "0", pages.limit_parameter: str(pages.limit)})
        case _:
            return Step()


def following(pages: Pages, step: Step, answer: Answer, count: int | None) -> Step | None:
    """The page after `answer`; None when it was the last. `count`: how many records it had, None if it had no
    list.
    """
    number = step.number + 1
    match pages:
        case NoPages():
            return None
        case PageNumbers():
            more = _counted(count, pages.mode) > 0
            return Step({pages.parameter: str(pages.start + number)}, number=number) if more else None
        case Offsets():
            if _counted(count, pages.mode) < pages.limit:
                return None
            position = number * pages.limit
            return Step(step.query | {pages.parameter: str(position)}, number=number)
        case Cursors():
            cursor = found(pages.path, answer.body)
            if cursor in (None, "", False) or not isinstance(cursor, str | int | float):
                return None
            following = {pages.parameter: text(cursor)}
            return Step(following, number=number) if following != step.query else None
        case Links():
            return _leading_to(next_link(answer.headers.get("link", "")), answer, number)
        case NextUrls():
            url = found(pages.path, answer.body)
            return _leading_to(url if isinstance(url, str) else "", answer, number)


def found(path: str, body: Json) -> Json:
    """What `path` leads to; None when it leads nowhere. Raises NodeFailure."""
    try:
        return search(path, body)
    except NodeFailure as failed:
        why = failed.failure.message
        raise NodeFailure("PAGINATION_FAILED", f"{path!r} can not be applied to the answer: {why}") from None


def _counted(count: int | None, mode: str) -> int:
    if count is None:
        raise NodeFailure(
            "PAGINATION_FAILED",
            f"pagination by {mode} has to see a list in each answer, and there is none",
            field="records_path",
            hint="say where the list is, e.g. data.items",
            details={"sent": True},
        )
    return count


def _leading_to(url: str, answer: Answer, number: int) -> Step | None:
    if not url:
        return None
    url = urljoin(answer.url, url)
    if url == answer.url:
        return None
    here, there = urlsplit(answer.url), urlsplit(url)
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        # The next request is signed like the first, so following this would hand the credential over.
        raise NodeFailure(
            "PAGINATION_FAILED",
            f"the next page is on another host ({there.netloc}), which is not given this node's credential",
            hint="if that is right, request it with a node of its own",
            details={"sent": True},
        )
    return Step(url=url, number=number)


_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"[^"]*"|[^\s",;]*))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]*))', re.IGNORECASE)


def next_link(header: str) -> str:
    """The address of rel="next" in a `Link` header; empty when there is none."""
    for url, attributes in _LINK.findall(header):
        rel = _REL.search(attributes)
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            return str(url)
    return ""
