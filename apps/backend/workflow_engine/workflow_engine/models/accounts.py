"""What is asked of the database about users, keys, sessions, projects and the audit log.

Everything takes a connection: the server brings one of its store, the command line one of its own, beside the server.
Each change is right whoever else writes at that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from workflow_engine.models.account import ApiKey, AuditEvent, Project, ProjectMember, User, UserSession
from workflow_engine.models.credential import Credential
from workflow_engine.models.execution import WorkflowExecution
from workflow_engine.models.task import Task, TaskAssignee
from workflow_engine.models.trigger import Trigger, TriggerEvent
from workflow_engine.models.workflow import Workflow

Columns = dict[str, Any]
OWNERS: dict[str, tuple[Select[Any], Any]] = {
    "workflow": (select(Workflow.user_id).where(Workflow.deleted_at.is_(None)), Workflow.id),
    "execution": (select(WorkflowExecution.user_id), WorkflowExecution.id),
    "credential": (select(Credential.user_id), Credential.id),
    "trigger": (select(Workflow.user_id).join(Trigger, Trigger.workflow_id == Workflow.id), Trigger.id),
    "task": (select(WorkflowExecution.user_id).join(Task, Task.execution_pk == WorkflowExecution.pk), Task.id),
}
"""How to ask who owns a thing, and the column of its id."""
NOBODY = "?"
"""The owner of what is left of a thing when nobody can tell any more whose it was; no user or project is called so."""


class Taken(Exception):
    """There is a user with this address."""


class LastAdmin(Exception):
    """Nobody would be left who can manage the server."""


def exist(connection: Connection) -> bool:
    """Whether there is anyone who could sign in."""
    return connection.execute(select(User.id).limit(1)).first() is not None


def owner(connection: Connection, kind: str, id: str) -> str | None:
    """Who owns a thing, such as a workflow or the execution of a task; None when there is no such thing."""
    query, column = OWNERS[kind]
    found: str | None = connection.execute(query.where(column == id)).scalar()
    if found is None and kind == "trigger":
        # What came to a trigger outlives it, and is theirs whose executions it started.
        left = select(TriggerEvent.pk).where(TriggerEvent.trigger_id == id).limit(1)
        if connection.execute(left).first() is not None:
            started = select(WorkflowExecution.user_id).join(
                TriggerEvent, TriggerEvent.execution_id == WorkflowExecution.id
            )
            found = connection.execute(started.where(TriggerEvent.trigger_id == id).limit(1)).scalar() or NOBODY
    return found


def may_run(connection: Connection, owner: str, workflow_id: str, *, admin: int) -> bool:
    """Whether executions of `owner` may run a workflow: theirs, their projects', or any when they are an admin.

    On a server without users owners are labels, and keep nobody out. Nothing is said of a workflow that is not there.
    """
    theirs = connection.execute(select(Workflow.user_id).where(Workflow.id == workflow_id)).scalar()
    if theirs is None or theirs == owner or not exist(connection):
        return True
    person = connection.execute(select(User.roles).where(User.id == owner)).scalar()
    return admin in (person or ()) or theirs in projects_of(connection, owner)


def is_assigned(connection: Connection, task_id: str, names: Iterable[str]) -> bool:
    """Whether a task is for somebody with one of these names."""
    mine = and_(TaskAssignee.task_id == task_id, TaskAssignee.user_id.in_(list(names)))
    return connection.execute(select(TaskAssignee.task_id).where(mine)).first() is not None


# users


def user(connection: Connection, id: str) -> User | None:
    with Session(connection, expire_on_commit=False) as session:
        return session.get(User, id)


def user_by_email(connection: Connection, email: str) -> User | None:
    found: User | None = _one(connection, select(User).where(User.email == email.lower()))
    return found


def user_by_external_id(connection: Connection, external_id: str) -> User | None:
    found: User | None = _one(connection, select(User).where(User.external_id == external_id))
    return found


def users(connection: Connection, *, query: str = "", limit: int, after: str = "") -> list[User]:
    """By address; `after` is that of the last one seen."""
    wanted = select(User).where(User.email > after).order_by(User.email).limit(limit)
    if query:
        wanted = wanted.where(
            or_(User.email.icontains(query, autoescape=True), User.name.icontains(query, autoescape=True))
        )
    return _all(connection, wanted)


def add_user(connection: Connection, row: Columns) -> str:
    """Returns their id. Raises Taken."""
    if connection.execute(select(User.id).where(User.email == row["email"])).first() is not None:
        raise Taken(row["email"])
    connection.execute(insert(User).values(**row))
    return str(row["id"])


def change_user(connection: Connection, id: str, values: Columns, *, admin: int) -> bool:
    """Whether there was such a user. Ends their sessions when they are shut out or have another password.

    `admin` is the role of which one must be left. Raises LastAdmin.
    """
    if values and not connection.execute(update(User).where(User.id == id).values(**values)).rowcount:
        return False
    if values.get("disabled") or "password_hash" in values:
        connection.execute(delete(UserSession).where(UserSession.user_id == id))
    _check_admins(connection, admin)
    return True


def set_password(connection: Connection, id: str, password_hash: str) -> None:
    connection.execute(update(User).where(User.id == id).values(password_hash=password_hash))


def set_roles(connection: Connection, id: str, roles: list[int]) -> None:
    """As the OIDC issuer says; who is an admin there needs none here."""
    connection.execute(update(User).where(User.id == id).values(roles=roles))


def remove_user(connection: Connection, id: str, *, admin: int) -> bool:
    """Whether there was such a user. Raises LastAdmin."""
    found = connection.execute(delete(User).where(User.id == id)).rowcount
    for table in (ApiKey, UserSession, ProjectMember):
        connection.execute(delete(table).where(table.user_id == id))
    _check_admins(connection, admin)
    return bool(found)


def _check_admins(connection: Connection, admin: int) -> None:
    enabled = connection.execute(select(User.roles).where(User.disabled.is_(False))).scalars()
    if not any(admin in roles for roles in enabled):
        raise LastAdmin


# keys and sessions


@dataclass(frozen=True, slots=True)
class Known:
    """Who a key or a session stands for."""

    user: User
    projects: frozenset[str]
    key: ApiKey | None = None
    session: UserSession | None = None


def by_key(connection: Connection, digest: str) -> Known | None:
    key = _one(connection, select(ApiKey).where(ApiKey.digest == digest))
    found = user(connection, key.user_id) if key is not None else None
    return Known(found, projects_of(connection, found.id), key=key) if found is not None else None


def by_session(connection: Connection, digest: str) -> Known | None:
    session = _one(connection, select(UserSession).where(UserSession.digest == digest))
    found = user(connection, session.user_id) if session is not None else None
    return Known(found, projects_of(connection, found.id), session=session) if found is not None else None


def add_key(connection: Connection, row: Columns) -> str:
    """Returns its id."""
    connection.execute(insert(ApiKey).values(**row))
    return str(row["id"])


def keys(connection: Connection, *, user_id: str = "", now: int) -> list[ApiKey]:
    """Those that have not ended, newest first."""
    query = select(ApiKey).where(or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))
    if user_id:
        query = query.where(ApiKey.user_id == user_id)
    return _all(connection, query.order_by(ApiKey.id.desc()))


def remove_key(connection: Connection, id: str, *, user_id: str = "") -> bool:
    """Whether there was such a key, of this user if one is named."""
    statement = delete(ApiKey).where(ApiKey.id == id)
    if user_id:
        statement = statement.where(ApiKey.user_id == user_id)
    return bool(connection.execute(statement).rowcount)


def add_session(connection: Connection, row: Columns) -> None:
    """Forgets sessions that have ended, too."""
    connection.execute(delete(UserSession).where(UserSession.expires_at <= row["created_at"]))
    connection.execute(insert(UserSession).values(**row))


def sessions(connection: Connection, user_id: str, *, now: int) -> list[UserSession]:
    """Those that have not ended, newest first."""
    query = select(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at > now)
    return _all(connection, query.order_by(UserSession.id.desc()))


def remove_session(connection: Connection, id: str, user_id: str) -> bool:
    statement = delete(UserSession).where(UserSession.id == id, UserSession.user_id == user_id)
    return bool(connection.execute(statement).rowcount)


def remove_other_sessions(connection: Connection, user_id: str, but: str) -> None:
    connection.execute(delete(UserSession).where(UserSession.user_id == user_id, UserSession.id != but))


def seen(connection: Connection, known: Known, now: int) -> None:
    """Notes that a key or session was used."""
    connection.execute(update(User).where(User.id == known.user.id).values(last_seen_at=now))
    if known.key is not None:
        connection.execute(update(ApiKey).where(ApiKey.id == known.key.id).values(last_used_at=now))
    if known.session is not None:
        connection.execute(update(UserSession).where(UserSession.id == known.session.id).values(last_seen_at=now))


# projects


def projects_of(connection: Connection, user_id: str) -> frozenset[str]:
    query = select(ProjectMember.project_id).where(ProjectMember.user_id == user_id)
    return frozenset(connection.execute(query).scalars())


def projects(connection: Connection, ids: Iterable[str] | None = None) -> list[tuple[Project, list[str]]]:
    """Projects and their members, by name; all of them for None."""
    query = select(Project).order_by(Project.name, Project.id)
    members = select(ProjectMember).order_by(ProjectMember.user_id)
    if ids is not None:
        wanted = list(ids)
        query, members = query.where(Project.id.in_(wanted)), members.where(ProjectMember.project_id.in_(wanted))
    inside: dict[str, list[str]] = {}
    for each in _all(connection, members):
        inside.setdefault(each.project_id, []).append(each.user_id)
    return [(each, inside.get(each.id, [])) for each in _all(connection, query)]


def add_project(connection: Connection, row: Columns, members: Iterable[str]) -> str:
    """Returns its id."""
    connection.execute(insert(Project).values(**row))
    _add_members(connection, row["id"], members)
    return str(row["id"])


def change_project(
    connection: Connection, id: str, values: Columns, *, add: Iterable[str], remove: Iterable[str]
) -> bool:
    """Whether there was such a project."""
    if connection.execute(select(Project.id).where(Project.id == id)).first() is None:
        return False
    if values:
        connection.execute(update(Project).where(Project.id == id).values(**values))
    member = ProjectMember.project_id == id
    connection.execute(delete(ProjectMember).where(member, ProjectMember.user_id.in_([*remove, *add])))
    _add_members(connection, id, add)
    return True


def _add_members(connection: Connection, project_id: str, user_ids: Iterable[str]) -> None:
    if rows := [{"project_id": project_id, "user_id": each} for each in dict.fromkeys(user_ids)]:
        connection.execute(insert(ProjectMember), rows)


def remove_project(connection: Connection, id: str) -> bool:
    connection.execute(delete(ProjectMember).where(ProjectMember.project_id == id))
    return bool(connection.execute(delete(Project).where(Project.id == id)).rowcount)


def missing_users(connection: Connection, ids: Iterable[str]) -> list[str]:
    """Those of `ids` that are no users."""
    wanted = list(dict.fromkeys(ids))
    known = set(connection.execute(select(User.id).where(User.id.in_(wanted))).scalars())
    return [id for id in wanted if id not in known]


# the audit log


def record(connection: Connection, row: Columns) -> int:
    """Returns the pk of the record."""
    [pk] = connection.execute(insert(AuditEvent).values(**row)).inserted_primary_key or (0,)
    return int(pk)


def amend(connection: Connection, pk: int, values: Columns) -> None:
    connection.execute(update(AuditEvent).where(AuditEvent.pk == pk).values(**values))


def forget_before(connection: Connection, at: int) -> int:
    """Removes what was recorded before a time; returns how much that was."""
    return connection.execute(delete(AuditEvent).where(AuditEvent.at < at)).rowcount


def recorded(
    connection: Connection,
    *,
    user_id: str = "",
    action: str = "",
    resource: str = "",
    since: int | None = None,
    until: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditEvent]:
    """Newest first; `before` is the pk of the last one seen."""
    query = select(AuditEvent).order_by(AuditEvent.pk.desc()).limit(limit)
    if user_id:
        query = query.where(AuditEvent.user_id == user_id)
    if action:
        query = query.where(AuditEvent.action == action)
    if resource:
        query = query.where(AuditEvent.resources.contains(f" {resource} ", autoescape=True))
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    if until is not None:
        query = query.where(AuditEvent.at < until)
    if before is not None:
        query = query.where(AuditEvent.pk < before)
    return _all(connection, query)


def _one(connection: Connection, query: Any) -> Any:
    with Session(connection, expire_on_commit=False) as session:
        return session.scalars(query).first()


def _all(connection: Connection, query: Any) -> list[Any]:
    with Session(connection, expire_on_commit=False) as session:
        return list(session.scalars(query))
