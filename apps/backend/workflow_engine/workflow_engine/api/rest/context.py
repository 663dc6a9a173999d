"""What a servicer that is called in this process gets where gRPC would hand it a ServicerContext."""

from __future__ import annotations

from typing import Any


class HttpContext:
    """The part of a ServicerContext that makes sense without gRPC.

    Refusals are exceptions: what is set as code and details is what the generated bases say before they raise.
    """

    def set_code(self, code: Any) -> None: ...

    def set_details(self, details: str) -> None: ...

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def cancelled(self) -> bool:
        """Never: a call whose client has gone away is cancelled as a task."""
        return False
