"""IntegrationService, first part: credentials. Secrets come in, and never go out again."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from pydantic import SecretStr, ValidationError

from workflow_engine.core.secrets import NoSecretKey, Unreadable
from workflow_engine.models import credentials as stored
from workflow_engine.models.credential import Credential
from workflow_engine.models.store import NotFound, Store
from workflow_engine.nodes.credentials import KINDS, CredentialKind
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import integration_pb2 as it
from workflow_engine.runtime.vault import Vault
from workflow_engine.services import wire
from workflow_engine.services.access.callers import current
from workflow_engine.services.backend import Backend
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.paging import Page, token
from workflow_engine.services.solo import run_alone
from workflow_engine.utils.structs import struct_to_dict, to_struct

_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Credentials:
    """The RPCs about credentials."""

    backend: Backend
    vault: Vault

    async def CreateCredential(self, request: it.CreateCredentialRequest, context: Any) -> it.CreateCredentialResponse:
        kind = kind_of(request.type)
        fields, secrets = parts(checked(kind, struct_to_dict(request.fields)))
        hosts = hosts_of(request.allowed_hosts)
        id, now = self.backend.new_id("cred"), self.backend.clock.now_ms()
        try:
            row = {
                "id": id,
                "name": request.name,
                "type": request.type,
                "user_id": request.user_id,
                "fields": fields,
                "allowed_hosts": hosts,
                "created_at": now,
                "updated_at": now,
                **self.vault.seal(id, secrets),
            }
            # Not a plain digest: whoever reads the database could guess a short secret until the digest fits.
            digest = self.vault.fingerprint(request.SerializeToString(deterministic=True))
        except NoSecretKey as refused:
            raise ServiceError("SECRET_KEY_MISSING", str(refused)) from None
        id = await stored.create(self.backend.store, row, key=request.idempotency_key, digest=digest)
        return it.CreateCredentialResponse(
            success=True, message=f"created credential {request.name!r}", credential=await self._shown(id)
        )

    async def GetCredential(self, request: it.GetCredentialRequest, context: Any) -> it.GetCredentialResponse:
        credential = await self._shown(request.credential_id)
        return it.GetCredentialResponse(success=True, message=f"credential {credential.name!r}", credential=credential)

    async def ListCredentials(self, request: it.ListCredentialsRequest, context: Any) -> it.ListCredentialsResponse:
        page = Page.of(request)
        rows = await asyncio.to_thread(
            stored.page,
            self.backend.store,
            user_id=request.user_id,
            type=request.type,
            owners=current().owners,
            limit=page.limit + 1,
            after=page.after_change,
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return it.ListCredentialsResponse(
            success=True,
            message=f"{len(rows)} credentials",
            credentials=[credential_to_proto(row) for row in rows],
            next_page_token=token(rows[-1].updated_at, rows[-1].id) if more else "",
        )

    async def UpdateCredential(self, request: it.UpdateCredentialRequest, context: Any) -> it.UpdateCredentialResponse:
        id, given = request.credential_id, struct_to_dict(request.fields)
        hosts = hosts_of(request.allowed_hosts)
        now = self.backend.clock.now_ms()

        def edited(row: Credential) -> dict[str, Any]:
            columns: dict[str, Any] = {"updated_at": max(now, row.updated_at)}
            if request.name:
                columns["name"] = request.name
            if hosts:
                columns["allowed_hosts"] = hosts
            if given:
                columns |= self._merged(row, given)
            return columns

        try:
            await stored.edit(self.backend.store, id, edited)
        except NotFound:
            raise no_credential(id) from None
        except NoSecretKey as refused:
            raise ServiceError("SECRET_KEY_MISSING", str(refused)) from None
        finally:
            self.vault.forget(id)
        return it.UpdateCredentialResponse(success=True, message="changed", credential=await self._shown(id))

    def _merged(self, row: Credential, given: dict[str, Any]) -> dict[str, Any]:
        """The columns after fields were replaced; null takes one out."""
        kind = kind_of(row.type)
        try:
            old = self.vault.secrets(row)
        except Unreadable as error:
            # Who enters all of them anew needs none of the old ones.
            if missing := set(row.secret_fields) - set(given):
                raise ServiceError(
                    "CREDENTIAL_UNREADABLE",
                    f"the credential's other secrets can not be read: {error}",
                    violations=[(f"fields.{name}", "has to be entered anew") for name in sorted(missing)],
                    metadata={"key_id": row.key_id},
                ) from None
            old = {}
        merged = {name: value for name, value in {**row.fields, **old, **given}.items() if value is not None}
        fields, secrets = parts(checked(kind, merged))
        columns = {"fields": fields, **self.vault.seal(row.id, secrets)}
        # A token that was written by hand ends when it ends.
        return columns | ({"expires_at": None} if "access_token" in given else {})

    async def DeleteCredential(self, request: it.DeleteCredentialRequest, context: Any) -> it.DeleteCredentialResponse:
        try:
            await stored.remove(self.backend.store, request.credential_id)
        except NotFound:
            raise no_credential(request.credential_id) from None
        finally:
            self.vault.forget(request.credential_id)
        return it.DeleteCredentialResponse(success=True, message=f"deleted credential {request.credential_id}")

    async def TestCredential(self, request: it.TestCredentialRequest, context: Any) -> it.TestCredentialResponse:
        row = await row_of(self.backend.store, request.credential_id)
        kind = kind_of(row.type)
        try:
            credential = checked(kind, {**row.fields, **self.vault.secrets(row)})
        except Unreadable as error:
            failure = ex.Failure(reason="CREDENTIAL_UNREADABLE", message=str(error), hint="enter its secrets anew")
            return it.TestCredentialResponse(success=False, message=failure.message, failure=failure)
        probe = credential.probe()
        if probe is None:
            failure = ex.Failure(
                reason="NOTHING_TO_TRY",
                message=f"the credential can be read, but a {kind.title!r} names nothing to try it on",
                hint="set its field test_url" if "test_url" in kind.model_fields else "run a node that uses it",
            )
            return it.TestCredentialResponse(success=False, message=failure.message, failure=failure)
        record = await run_alone(self.backend, probe.node_type, probe.parameters, {probe.slot: row.id})
        failed = wire.failure_to_proto(record.failure)
        return it.TestCredentialResponse(
            success=failed is None, message=failed.message if failed else "it was let in", failure=failed
        )

    async def _shown(self, id: str) -> it.Credential:
        return credential_to_proto(await row_of(self.backend.store, id))


async def row_of(store: Store, id: str) -> Credential:
    """Raises ServiceError when there is no such credential."""
    row = await asyncio.to_thread(stored.get, store, id)
    if row is None:
        raise no_credential(id)
    return row


def no_credential(id: str) -> ServiceError:
    return ServiceError("CREDENTIAL_NOT_FOUND", f"there is no credential {id!r}", metadata={"credential_id": id})


def kind_of(type: str) -> type[CredentialKind]:
    """Raises ServiceError for a type that nobody defines."""
    if (kind := KINDS.get(type)) is None:
        raise ServiceError(
            "INVALID_REQUEST",
            f"type: there is no credential type {type!r}; ListIntegrations shows {', '.join(KINDS)}",
            violations=[("type", "is unknown")],
        )
    return kind


def checked(kind: type[CredentialKind], fields: dict[str, Any]) -> CredentialKind:
    """The credential that `fields` make. Raises ServiceError with every wrong one; it quotes no values."""
    try:
        return kind.model_validate(fields)
    except ValidationError as failed:
        wrong = [_violation(error) for error in failed.errors(include_url=False, include_input=False)]
        field, what = wrong[0]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ServiceError("INVALID_REQUEST", f"{field}: {what}{more}", violations=wrong) from None


def _violation(error: Any) -> tuple[str, str]:
    place = ".".join(["fields", *map(str, error["loc"])])
    match error["type"]:
        case "missing":
            return place, "is required"
        case "extra_forbidden":
            return place, "is no field of this type of credential"
        case _:
            return place, str(error["msg"])


def parts(credential: CredentialKind) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that are set: those that may be shown, and the secret ones."""
    fields: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for name in sorted(credential.model_fields_set):
        value = getattr(credential, name)
        if not isinstance(value, SecretStr):
            fields[name] = value
        # An optional secret that is empty is none; a required one may be, as some peers want an empty password.
        elif value.get_secret_value() or type(credential).model_fields[name].is_required():
            secrets[name] = value.get_secret_value()
    return fields, secrets


def hosts_of(given: Iterable[str]) -> list[str]:
    """Allowed hosts as they are stored: names, addresses, `*.name`. Raises ServiceError."""
    hosts = [host.strip().lower().rstrip(".") for host in given]
    wrong = [
        (f"allowed_hosts[{index}]", f"{host!r} is no host: give a name such as api.example.com or *.example.com")
        for index, host in enumerate(hosts)
        if not _HOST.fullmatch(host) and not _is_address(host)
    ]
    if wrong:
        raise ServiceError("INVALID_REQUEST", f"{wrong[0][0]}: {wrong[0][1]}", violations=wrong)
    return hosts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def credential_to_proto(row: Credential) -> it.Credential:
    return it.Credential(
        id=row.id,
        name=row.name,
        type=row.type,
        user_id=row.user_id,
        fields=to_struct(row.fields),
        secret_fields=row.secret_fields,
        allowed_hosts=row.allowed_hosts,
        key_id=row.key_id,
        expires_at=wire.timestamp(row.expires_at),
        created_at=wire.timestamp(row.created_at),
        updated_at=wire.timestamp(row.updated_at),
    )
