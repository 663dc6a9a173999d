"""Rows of users, keys, sessions, projects and the audit log as messages."""

from __future__ import annotations

from workflow_engine.models import account as rows
from workflow_engine.proto import access_pb2 as ac


def user_to_proto(row: rows.User) -> ac.User:
    made = ac.User(
        id=row.id,
        email=row.email,
        name=row.name,
        roles=row.roles,  # type: ignore[arg-type]
        disabled=row.disabled,
        external=row.external_id is not None,
    )
    made.created_at.FromMilliseconds(row.created_at)
    if row.last_seen_at is not None:
        made.last_seen_at.FromMilliseconds(row.last_seen_at)
    return made


def key_to_proto(row: rows.ApiKey) -> ac.ApiKey:
    made = ac.ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        user_id=row.user_id,
        permissions=row.permissions,  # type: ignore[arg-type]
    )
    made.created_at.FromMilliseconds(row.created_at)
    if row.expires_at is not None:
        made.expires_at.FromMilliseconds(row.expires_at)
    if row.last_used_at is not None:
        made.last_used_at.FromMilliseconds(row.last_used_at)
    return made


def session_to_proto(row: rows.UserSession, current: str) -> ac.Session:
    made = ac.Session(
        id=row.id, user_id=row.user_id, user_agent=row.user_agent, address=row.address, current=row.id == current
    )
    made.created_at.FromMilliseconds(row.created_at)
    made.last_seen_at.FromMilliseconds(row.last_seen_at)
    made.expires_at.FromMilliseconds(row.expires_at)
    return made


def project_to_proto(row: rows.Project, members: list[str]) -> ac.Project:
    made = ac.Project(id=row.id, name=row.name, description=row.description, user_ids=members)
    made.created_at.FromMilliseconds(row.created_at)
    return made


def event_to_proto(row: rows.AuditEvent) -> ac.AuditEvent:
    made = ac.AuditEvent(
        id=row.pk,
        user_id=row.user_id,
        who=row.who,
        key_id=row.key_id,
        action=row.action,
        resources=row.resources.split(),
        outcome=row.outcome,
        reason=row.reason,
        request_id=row.request_id,
        address=row.address,
        surface=row.surface,
    )
    made.at.FromMilliseconds(row.at)
    return made
