"""Page tokens: where a list went on from, opaque to callers. Some lists know offsets as well."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Protocol

from workflow_engine.services.errors import ServiceError

DEFAULT_LIMIT = 50


class Paged(Protocol):
    limit: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list to read."""

    limit: int
    offset: int
    after: list[Any] | None

    @classmethod
    def of(cls, request: Paged) -> Page:
        """Raises ServiceError for a token that is none of ours."""
        after = None
        if request.page_token:
            try:
                after = json.loads(base64.urlsafe_b64decode(request.page_token.encode()))
                if not isinstance(after, list):
                    raise ValueError("not a list")
            except (ValueError, binascii.Error):
                raise ServiceError(
                    "INVALID_REQUEST",
                    "page_token: is none of ours; leave it empty for the first page",
                    violations=[("page_token", "is none of ours")],
                ) from None
        return cls(request.limit or DEFAULT_LIMIT, getattr(request, "offset", 0), after)

    @property
    def after_change(self) -> tuple[int, str] | None:
        return (int(self.after[0]), str(self.after[1])) if self.after and len(self.after) == 2 else None

    @property
    def before(self) -> int | None:
        return int(self.after[0]) if self.after else None


def token(*place: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
