"""Large bytes in a bucket of an S3-compatible store, under the digest of their content.

For machines that come and go, and for several that share their blobs. The content passes through a temporary file, for
its digest is its name and is known only when all of it is there. botocore's calls block, so they run in threads.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from workflow_engine.engine.items import BinaryRef
from workflow_engine.nodes.spec import NodeFailure
from workflow_engine.runtime.blobs import CHUNK, PREFIX, digest_of, fill, missing

IN_MEMORY = 4 * CHUNK
"""Bytes of a blob that need no file on their way to the store."""


class StoreOutOfReach(NodeFailure, OSError):
    """The store did not do what was asked. A node's attempt fails with it, and the runtime tries again."""


class S3Blobs:
    """A runtime.blobs.BlobStore.

    `url` is `s3://bucket/prefix`; `endpoint` the address of a store other than Amazon's. Without a key and its secret,
    botocore looks where it always does: the environment, ~/.aws, the machine's role.
    """

    def __init__(self, url: str, *, endpoint: str = "", region: str = "", key: str = "", secret: str = "") -> None:
        parts = urlsplit(url)
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._options: dict[str, Any] = {
            "endpoint_url": endpoint or None,
            "region_name": region or ("us-east-1" if endpoint else None),
            "aws_access_key_id": key or None,
            "aws_secret_access_key": secret or None,
        }
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write(self, data: bytes | AsyncIterator[bytes], media_type: str, file_name: str = "") -> BinaryRef:
        """Stores the bytes; they are in the store when this returns. Raises StoreOutOfReach."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            name, size = await fill(file, data)
            file.seek(0)
            # Written even when it is there: that says that it is needed.
            async with self._lock(name):
                await self._do("put_object", Key=self._prefix + name, Body=file, ContentLength=size)
        return BinaryRef(PREFIX + name, size, media_type or "application/octet-stream", file_name)

    async def read(self, ref: BinaryRef) -> AsyncIterator[bytes]:
        """The bytes in chunks of up to 1 MiB. Raises NodeFailure BLOB_MISSING, and StoreOutOfReach."""
        found = await self._find("get_object", digest_of(ref))
        if found is None:
            raise missing(ref, "it was pruned, or comes from another bucket; run the node that made it again")
        with closing(found["Body"]) as body:
            while chunk := await asyncio.to_thread(_reaching(body.read), CHUNK):
                yield chunk

    async def written_between(self, start: int, end: int) -> AsyncIterator[Sequence[str]]:
        """See BlobStore."""
        after: dict[str, str] = {}
        while True:
            page = await self._do("list_objects_v2", Prefix=self._prefix, **after)
            yield [
                each["Key"].removeprefix(self._prefix)
                for each in page.get("Contents", ())
                if start <= each["LastModified"].timestamp() * 1_000 < end and _is_digest(each["Key"][-64:])
            ]
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    async def remove(self, digest: str, before: int) -> bool:
        """See BlobStore."""
        async with self._lock(digest):
            found = await self._find("head_object", digest)
            if found is None or found["LastModified"].timestamp() * 1_000 >= before:
                return False
            await self._do("delete_object", Key=self._prefix + digest)
            return True

    def _lock(self, digest: str) -> asyncio.Lock:
        """Held while a blob comes or goes: none that has just come goes."""
        lock = self._locks.get(digest)
        if lock is None:
            lock = self._locks[digest] = asyncio.Lock()
        return lock

    async def _find(self, operation: str, digest: str) -> Any:
        """What the store answers about a blob; None when it is not there."""
        from botocore.exceptions import ClientError

        try:
            return await self._do(operation, Key=self._prefix + digest)
        except StoreOutOfReach as failed:
            error = failed.__cause__
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return None
            raise

    async def _do(self, operation: str, **arguments: Any) -> Any:
        def call() -> Any:
            return getattr(self._client, operation)(Bucket=self._bucket, **arguments)

        return await asyncio.to_thread(_reaching(call))

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        config = Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            max_pool_connections=32,
            # Checksums of a newer kind, which many compatible stores do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return Session().create_client("s3", config=config, **self._options)


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


@contextmanager
def _told() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (BotoCoreError, ClientError, HTTPError) as error:
        raise StoreOutOfReach(
            "BLOB_STORE_OUT_OF_REACH",
            f"the blob store did not answer as it should: {error}",
            hint="check BLOBS_URL, BLOBS_ENDPOINT and the key's rights, and that the store runs",
            retryable=True,
        ) from error


def _reaching(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, with the store's failures in our words."""

    def told(*arguments: Any) -> Any:
        with _told():
            return call(*arguments)

    return told
