"""Files in a bucket of S3, over the egress client; botocore signs, and connects to nothing itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.parsers.expat import ExpatError

import xmltodict

from workflow_engine.nodes.action.http.answer import refusal
from workflow_engine.nodes.context import FileEntry, HttpClient, HttpResponse
from workflow_engine.nodes.credentials import check_host
from workflow_engine.nodes.spec import NodeFailure

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing."""
_UNSIGNED = "UNSIGNED-PAYLOAD"


class S3Files:
    """Implements `nodes.context.Files` on the bucket of an `s3` credential. `timeout` in seconds, for one request."""

    def __init__(self, http: HttpClient, secret: dict[str, Any], timeout: float, now: int) -> None:
        bucket, region = str(secret["bucket"]), str(secret.get("region") or "us-east-1")
        endpoint = str(secret.get("endpoint") or "").rstrip("/")
        if endpoint:
            self._base = f"{endpoint}/{bucket}"
        elif "." in bucket:
            # A certificate for *.s3 covers no further dots.
            self._base = f"https://s3.{region}.amazonaws.com/{bucket}"
        else:
            self._base = f"https://{bucket}.s3.{region}.amazonaws.com"
        self._bucket = bucket
        self._http, self._secret, self._region = http, secret, region
        self._timeout, self._now = timeout, now

    async def read(self, path: str) -> AsyncIterator[bytes]:
        return (await self._request("GET", path)).stream()

    async def write(
        self, path: str, data: AsyncIterator[bytes], *, size: int, media_type: str, sha256: str, replace: bool
    ) -> None:
        headers = {"Content-Type": media_type, "Content-Length": str(size)}
        if not replace:
            headers["If-None-Match"] = "*"
        await self._done("PUT", path, headers=headers, body=data, sha256=sha256 or _UNSIGNED)

    async def entries(self, folder: str, *, recursive: bool) -> AsyncIterator[FileEntry]:
        query = {"list-type": "2", "prefix": f"{folder}/" if folder else ""}
        if not recursive:
            query["delimiter"] = "/"
        more: str | None = ""
        while more is not None:
            response = await self._request("GET", "", query=query | ({"continuation-token": more} if more else {}))
            page = _parsed(await response.read(), "ListBucketResult")
            for each in page.get("Contents") or []:
                modified = datetime.fromisoformat(each["LastModified"])
                yield FileEntry(each["Key"], int(each["Size"]), round(modified.timestamp() * 1000))
            more = page.get("NextContinuationToken") if page.get("IsTruncated") == "true" else None

    async def delete(self, path: str) -> bool:
        if not await self._is_there(path):
            return False
        await self._done("DELETE", path)
        return True

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """Copies and deletes: S3 knows no move."""
        if not replace and await self._is_there(to):
            raise _exists(to)
        headers = {"x-amz-copy-source": quote(f"/{self._bucket}/{path}")}
        response = await self._request("PUT", to, headers=headers)
        # A copy can fail after its status has been sent.
        if b"<Error>" in (told := await response.read()):
            raise NodeFailure("FILE_FAILED", f"{path} was not copied: {told.decode(errors='replace')[:300]}")
        await self._done("DELETE", path)

    async def _is_there(self, path: str) -> bool:
        try:
            await self._done("HEAD", path)
        except NodeFailure as failed:
            if failed.failure.reason == "FILE_MISSING":
                return False
            raise
        return True

    async def _done(self, method: str, path: str, **options: Any) -> None:
        response = await self._request(method, path, **options)
        await response.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: AsyncIterator[bytes] | None = None,
        sha256: str = _EMPTY,
    ) -> HttpResponse:
        """A good answer. Raises NodeFailure for every other one."""
        url = f"{self._base}/{quote(path)}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        response = await self._http.request(
            method,
            url,
            headers=self._signed(method, url, headers or {}, sha256),
            body=body,
            timeout=self._timeout,
            follow_redirects=False,
            quoted=True,
        )
        if response.status < 300:
            return response
        raise await _failure(response, method, path, self._now)

    def _signed(self, method: str, url: str, headers: dict[str, str], sha256: str) -> dict[str, str]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        class Signer(S3SigV4Auth):
            def payload(self, request: AWSRequest) -> str:
                return sha256

        request = AWSRequest(method, url, headers=headers)
        check_host(self._secret, urlsplit(url).hostname or "")
        secret = self._secret
        keys = Credentials(
            str(secret["access_key_id"]), str(secret["secret_access_key"]), secret.get("session_token") or None
        )
        Signer(keys, "s3", self._region).add_auth(request)
        return dict(request.headers.items())


async def _failure(response: HttpResponse, method: str, path: str, now: int) -> NodeFailure:
    status = response.status
    if status == 404:
        await response.close()
        return NodeFailure(
            "FILE_MISSING", f"there is no {path or 'such bucket'}", field="path", hint="see how it is spelled"
        )
    if status in (409, 412) and method == "PUT":
        await response.close()
        return _exists(path)
    if status in (301, 307, 400) and "x-amz-bucket-region" in response.headers:
        await response.close()
        return NodeFailure(
            "CREDENTIAL_REFUSED",
            f"the bucket is in region {response.headers['x-amz-bucket-region']}",
            hint="correct region and endpoint of the credential",
        )
    return await refusal(response, method, now)


def _exists(path: str) -> NodeFailure:
    return NodeFailure(
        "FILE_EXISTS", f"{path} is there already", field="path", hint="set replace, or choose another name"
    )


def _parsed(data: bytes, root: str) -> dict[str, Any]:
    try:
        found = xmltodict.parse(data, disable_entities=True, force_list=("Contents",))[root]
    except (ExpatError, ValueError, KeyError, TypeError) as error:
        raise NodeFailure(
            "INVALID_RESPONSE", f"the store did not answer as S3 does: {error}", hint="see endpoint of the credential"
        ) from None
    return found if isinstance(found, dict) else {}
