"""AuthService: signing in, and one's own keys and sessions."""

from __future__ import annotations

import ipaddress
from typing import Any

from sqlalchemy import Connection

from workflow_engine.models import accounts
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import options_pb2, workflow_service_pb2_grpc
from workflow_engine.services.access.accounts import Accounts, key_row
from workflow_engine.services.access.callers import (
    ADMIN,
    EVERYTHING,
    LOCAL,
    Caller,
    current,
    incoming,
    permissions_of,
)
from workflow_engine.services.access.limits import Buckets
from workflow_engine.services.access.passwords import fits, hash_password
from workflow_engine.services.access.tokens import csrf_of
from workflow_engine.services.access.wire import key_to_proto, project_to_proto, session_to_proto, user_to_proto
from workflow_engine.services.errors import ServiceError


class AuthService(workflow_service_pb2_grpc.AuthServiceServicer):
    """A surface that keeps sessions itself, as HTTP does in cookies, gives a context with `keep_session`."""

    def __init__(self, accounts: Accounts, oidc_sign_in_path: str = "") -> None:
        self.accounts, self._oidc_sign_in_path = accounts, oidc_sign_in_path
        # Ten tries, then one a minute; and more for the many who may share an address, or be mistaken for each other.
        self._here = Buckets(accounts.clock, rate=1 / 60, burst=10)
        self._address = Buckets(accounts.clock, rate=1 / 6, burst=50)
        self._email = Buckets(accounts.clock, rate=1 / 30, burst=100)

    # signing in

    async def SignIn(self, request: ac.SignInRequest, context: Any) -> ac.SignInResponse:
        email, address = request.email.lower(), incoming().address
        network = _network(address)
        here = f"{network} {email}"
        for bucket, key in ((self._here, here), (self._address, network), (self._email, email)):
            if wait := bucket.wait(key):
                raise ServiceError(
                    "TOO_MANY_ATTEMPTS", f"too many attempts; try again in {wait:.0f} s", retry_after=wait
                )
        user = await self.accounts.read(lambda connection: accounts.user_by_email(connection, email))
        if not await fits(request.password, user.password_hash if user else "") or user is None:
            raise ServiceError("WRONG_PASSWORD", "there is no user with this address and this password")
        if user.disabled:
            raise ServiceError("USER_DISABLED", f"{user.email} is shut out; ask an admin of this server")
        self._here.forgive(here)
        token, expires_at = await self.accounts.open_session(user.id, user_agent=incoming().user_agent, address=address)
        response = ac.SignInResponse(
            success=True, message=f"signed in as {user.email}", user=user_to_proto(user), csrf_token=csrf_of(token.text)
        )
        response.expires_at.FromMilliseconds(expires_at)
        if (keep := getattr(context, "keep_session", None)) is not None:
            keep(token.text, expires_at)
        else:
            response.token = token.text
            response.csrf_token = ""
        return response

    async def SignOut(self, request: ac.SignOutRequest, context: Any) -> ac.SignOutResponse:
        caller = current()
        if (drop := getattr(context, "drop_session", None)) is not None:
            drop()
        if not caller.session_id:
            return ac.SignOutResponse(message="there was no session")
        await self.accounts.change(
            lambda connection: accounts.remove_session(connection, caller.session_id, caller.user_id)
        )
        return ac.SignOutResponse(success=True, message="signed out")

    async def WhoAmI(self, request: ac.WhoAmIRequest, context: Any) -> ac.WhoAmIResponse:
        caller = current()
        response = ac.WhoAmIResponse(
            success=caller.is_known or caller is LOCAL,
            sign_in_required=await self.accounts.door.is_required(),
            permissions=sorted(caller.permissions),  # type: ignore[arg-type]
            oidc_sign_in_path=self._oidc_sign_in_path,
        )
        if not caller.is_known:
            response.message = "nobody needs to sign in here" if caller is LOCAL else "sign in"
            return response
        user = await self._user(caller)
        projects = await self.accounts.read(lambda connection: accounts.projects(connection, caller.projects))
        response.message = f"you are {user.email}"
        response.user.CopyFrom(user_to_proto(user))
        response.projects.extend(project_to_proto(row, members) for row, members in projects)
        if caller.session_id and incoming().from_cookie:
            response.csrf_token = csrf_of(incoming().token)
        return response

    async def ChangePassword(self, request: ac.ChangePasswordRequest, context: Any) -> ac.ChangePasswordResponse:
        caller = _a_person()
        user = await self._user(caller)
        if not user.password_hash:
            raise ServiceError("WRONG_PASSWORD", "you have no password here: you sign in elsewhere")
        if wait := self._here.wait(f"password {user.id}"):
            raise ServiceError("TOO_MANY_ATTEMPTS", f"too many attempts; try again in {wait:.0f} s", retry_after=wait)
        if not await fits(request.current_password, user.password_hash):
            raise ServiceError("WRONG_PASSWORD", "current_password: is another one")
        hashed = await hash_password(request.new_password)

        def change(connection: Connection) -> None:
            accounts.set_password(connection, user.id, hashed)
            accounts.remove_other_sessions(connection, user.id, caller.session_id)

        await self.accounts.change(change)
        return ac.ChangePasswordResponse(success=True, message="changed; your other sessions have ended")

    # sessions

    async def ListSessions(self, request: ac.ListSessionsRequest, context: Any) -> ac.ListSessionsResponse:
        caller, now = current(), self.accounts.clock.now_ms()
        rows = await self.accounts.read(lambda connection: accounts.sessions(connection, caller.user_id, now=now))
        return ac.ListSessionsResponse(
            success=True,
            message=f"{len(rows)} sessions",
            sessions=[session_to_proto(row, caller.session_id) for row in rows],
        )

    async def RevokeSession(self, request: ac.RevokeSessionRequest, context: Any) -> ac.RevokeSessionResponse:
        id, caller = request.session_id, current()
        if not await self.accounts.change(lambda connection: accounts.remove_session(connection, id, caller.user_id)):
            raise ServiceError("SESSION_NOT_FOUND", f"you have no session {id!r}", metadata={"session_id": id})
        return ac.RevokeSessionResponse(success=True, message="it has ended")

    # keys

    async def CreateApiKey(self, request: ac.CreateApiKeyRequest, context: Any) -> ac.CreateApiKeyResponse:
        caller = current()
        if caller.key_id and ADMIN not in caller.permissions:
            raise ServiceError("PERMISSION_MISSING", "a key can not make other keys; sign in with a password")
        id = request.user_id or caller.user_id
        if not id:
            raise ServiceError(
                "INVALID_REQUEST",
                "user_id: this server has nobody signed in; name the user as whom the key acts, or make one first",
                violations=[("user_id", "is required")],
            )
        if id != caller.user_id and ADMIN not in caller.permissions:
            raise ServiceError("NOT_YOURS", "user_id: only an admin makes keys for others")
        user = await self.accounts.read(lambda connection: accounts.user(connection, id))
        if user is None:
            raise no_user(id)
        useful = permissions_of(user.roles)
        if useless := [each for each in request.permissions if each not in EVERYTHING or each not in useful]:
            name = options_pb2.Permission.Name(useless[0])
            raise ServiceError(
                "INVALID_REQUEST",
                f"permissions: {user.email} does not have {name}",
                violations=[("permissions", f"{name} is not the user's")],
            )
        now = self.accounts.clock.now_ms()
        expires_at = now + request.valid_for.ToMilliseconds() if request.HasField("valid_for") else None
        row, token = key_row(
            now, name=request.name, user_id=id, permissions=list(request.permissions), expires_at=expires_at
        )
        await self.accounts.change(lambda connection: accounts.add_key(connection, row))
        keys = await self.accounts.read(lambda connection: accounts.keys(connection, user_id=id, now=now))
        made = next(each for each in keys if each.id == row["id"])
        return ac.CreateApiKeyResponse(
            success=True,
            message="keep the secret: it is not shown again",
            api_key=key_to_proto(made),
            secret=token.text,
        )

    async def ListApiKeys(self, request: ac.ListApiKeysRequest, context: Any) -> ac.ListApiKeysResponse:
        caller, now = current(), self.accounts.clock.now_ms()
        id = request.user_id if ADMIN in caller.permissions else caller.user_id
        if request.user_id not in ("", id):
            raise ServiceError("NOT_YOURS", "user_id: only an admin sees the keys of others")
        rows = await self.accounts.read(lambda connection: accounts.keys(connection, user_id=id, now=now))
        return ac.ListApiKeysResponse(
            success=True, message=f"{len(rows)} API keys", api_keys=[key_to_proto(row) for row in rows]
        )

    async def RevokeApiKey(self, request: ac.RevokeApiKeyRequest, context: Any) -> ac.RevokeApiKeyResponse:
        caller, id = current(), request.key_id
        whose = "" if ADMIN in caller.permissions else caller.user_id
        # A key can revoke itself, and no other.
        is_its_own = not caller.key_id or caller.key_id == id or ADMIN in caller.permissions
        if not is_its_own or not await self.accounts.change(
            lambda connection: accounts.remove_key(connection, id, user_id=whose)
        ):
            raise ServiceError("KEY_NOT_FOUND", f"there is no API key {id!r}", metadata={"key_id": id})
        return ac.RevokeApiKeyResponse(success=True, message="it works no more")

    # projects

    async def ListProjects(self, request: ac.ListProjectsRequest, context: Any) -> ac.ListProjectsResponse:
        caller = current()
        ids = None if ADMIN in caller.permissions else caller.projects
        found = await self.accounts.read(lambda connection: accounts.projects(connection, ids))
        return ac.ListProjectsResponse(
            success=True,
            message=f"{len(found)} projects",
            projects=[project_to_proto(row, members) for row, members in found],
        )

    async def _user(self, caller: Caller) -> Any:
        user = await self.accounts.read(lambda connection: accounts.user(connection, caller.user_id))
        if user is None:
            raise no_user(caller.user_id)
        return user


def _network(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the 2**64 of an IPv6 network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def no_user(id: str) -> ServiceError:
    return ServiceError("USER_NOT_FOUND", f"there is no user {id!r}", metadata={"user_id": id})


def _a_person() -> Caller:
    caller = current()
    if not caller.is_known or caller.key_id:
        raise ServiceError("PERMISSION_MISSING", "only somebody who is signed in has a password; a key has none")
    return caller
