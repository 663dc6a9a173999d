"""Indexes that find who is at work after a restart, and who is due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "execution_busy": (["pk"], "status < 3"),
    "execution_timed": (["wake_at", "pk"], "status = 3 AND wake_at IS NOT NULL"),
}


def upgrade() -> None:
    for name, (columns, condition) in INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "workflow_execution", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "workflow_execution")
