"""AdminService: users, projects, and the record of what they did."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from workflow_engine.core.ids import new_id
from workflow_engine.models import accounts
from workflow_engine.proto import access_pb2 as ac
from workflow_engine.proto import workflow_service_pb2_grpc
from workflow_engine.services.access.accounts import ADMIN, Accounts, user_row
from workflow_engine.services.access.passwords import hash_password
from workflow_engine.services.access.wire import event_to_proto, project_to_proto, user_to_proto
from workflow_engine.services.auth_service import no_user
from workflow_engine.services.errors import ServiceError
from workflow_engine.services.paging import Page, token


class AdminService(workflow_service_pb2_grpc.AdminServiceServicer):
    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts

    # users

    async def CreateUser(self, request: ac.CreateUserRequest, context: Any) -> ac.CreateUserResponse:
        password = await hash_password(request.password) if request.password else ""
        row = user_row(
            self.accounts.clock.now_ms(),
            email=request.email,
            name=request.name,
            roles=list(request.roles),
            password_hash=password,
        )

        def change(connection: Connection) -> str:
            if not accounts.exist(connection) and (ADMIN not in row["roles"] or not password):
                raise ServiceError(
                    "ADMIN_FIRST",
                    "roles: the first user must be an admin with a password: from then on nobody gets in without",
                    violations=[("roles", "must hold ROLE_ADMIN")],
                )
            return accounts.add_user(connection, row)

        await self.accounts.change(change)
        return ac.CreateUserResponse(
            success=True, message=f"created user {row['email']}", user=await self._user(row["id"])
        )

    async def ListUsers(self, request: ac.ListUsersRequest, context: Any) -> ac.ListUsersResponse:
        page = Page.of(request)
        after = str(page.after[0]) if page.after else ""
        rows = await self.accounts.read(
            lambda connection: accounts.users(connection, query=request.query, limit=page.limit + 1, after=after)
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return ac.ListUsersResponse(
            success=True,
            message=f"{len(rows)} users",
            users=[user_to_proto(row) for row in rows],
            next_page_token=token(rows[-1].email) if more else "",
        )

    async def UpdateUser(self, request: ac.UpdateUserRequest, context: Any) -> ac.UpdateUserResponse:
        values: dict[str, Any] = {}
        if request.name:
            values["name"] = request.name
        if request.roles:
            values["roles"] = sorted(set(request.roles))
        if request.password:
            values["password_hash"] = await hash_password(request.password)
        if request.HasField("disabled"):
            values["disabled"] = request.disabled
        id = request.user_id
        if not await self.accounts.change(lambda connection: accounts.change_user(connection, id, values, admin=ADMIN)):
            raise no_user(id)
        return ac.UpdateUserResponse(success=True, message="changed", user=await self._user(id))

    async def DeleteUser(self, request: ac.DeleteUserRequest, context: Any) -> ac.DeleteUserResponse:
        id = request.user_id
        if not await self.accounts.change(lambda connection: accounts.remove_user(connection, id, admin=ADMIN)):
            raise no_user(id)
        return ac.DeleteUserResponse(success=True, message=f"deleted user {id}; what they own stays")

    async def _user(self, id: str) -> ac.User:
        row = await self.accounts.read(lambda connection: accounts.user(connection, id))
        if row is None:
            raise no_user(id)
        return user_to_proto(row)

    # projects

    async def CreateProject(self, request: ac.CreateProjectRequest, context: Any) -> ac.CreateProjectResponse:
        now = self.accounts.clock.now_ms()
        id = new_id("proj", now, os.urandom(10))
        row = {"id": id, "name": request.name, "description": request.description, "created_at": now}

        def change(connection: Connection) -> str:
            _check_users(connection, request.user_ids)
            return accounts.add_project(connection, row, request.user_ids)

        await self.accounts.change(change)
        return ac.CreateProjectResponse(
            success=True, message=f"created project {request.name!r}", project=await self._project(id)
        )

    async def UpdateProject(self, request: ac.UpdateProjectRequest, context: Any) -> ac.UpdateProjectResponse:
        id, values = request.project_id, dict[str, Any]()
        if request.name:
            values["name"] = request.name
        if request.HasField("description"):
            values["description"] = request.description

        def change(connection: Connection) -> bool:
            _check_users(connection, request.add_user_ids)
            return accounts.change_project(
                connection, id, values, add=request.add_user_ids, remove=request.remove_user_ids
            )

        if not await self.accounts.change(change):
            raise _no_project(id)
        return ac.UpdateProjectResponse(success=True, message="changed", project=await self._project(id))

    async def DeleteProject(self, request: ac.DeleteProjectRequest, context: Any) -> ac.DeleteProjectResponse:
        id = request.project_id
        if not await self.accounts.change(lambda connection: accounts.remove_project(connection, id)):
            raise _no_project(id)
        return ac.DeleteProjectResponse(success=True, message=f"deleted project {id}; what it owns stays")

    async def _project(self, id: str) -> ac.Project:
        found = await self.accounts.read(lambda connection: accounts.projects(connection, [id]))
        if not found:
            raise _no_project(id)
        return project_to_proto(*found[0])

    # the audit log

    async def ListAuditEvents(self, request: ac.ListAuditEventsRequest, context: Any) -> ac.ListAuditEventsResponse:
        page = Page.of(request)
        rows = await self.accounts.read(
            lambda connection: accounts.recorded(
                connection,
                user_id=request.user_id,
                action=request.action,
                resource=request.resource,
                since=request.since.ToMilliseconds() if request.HasField("since") else None,
                until=request.until.ToMilliseconds() if request.HasField("until") else None,
                before=page.before,
                limit=page.limit + 1,
            )
        )
        more, rows = len(rows) > page.limit, rows[: page.limit]
        return ac.ListAuditEventsResponse(
            success=True,
            message=f"{len(rows)} events",
            events=[event_to_proto(row) for row in rows],
            next_page_token=token(rows[-1].pk) if more else "",
        )


def _check_users(connection: Connection, ids: Iterable[str]) -> None:
    if missing := accounts.missing_users(connection, ids):
        raise no_user(missing[0])


def _no_project(id: str) -> ServiceError:
    return ServiceError("PROJECT_NOT_FOUND", f"there is no project {id!r}", metadata={"project_id": id})
