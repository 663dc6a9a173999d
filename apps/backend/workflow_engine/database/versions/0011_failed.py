"""Indexes of the executions that failed or were cancelled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FAILED = sa.text("status > 5")
INDEXES = {"execution_failed": ["pk"], "execution_failed_by_workflow": ["workflow_id", "pk"]}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "workflow_execution", columns, sqlite_where=FAILED, postgresql_where=FAILED)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "workflow_execution")
