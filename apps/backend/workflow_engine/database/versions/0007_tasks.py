"""tasks

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("execution_pk", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.String(length=128), nullable=False),
        sa.Column("workflow_id", sa.String(length=64), nullable=False),
        sa.Column("node", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("task_by_execution", "task", ["execution_pk"])
    op.create_index("task_by_status", "task", ["status", "created_at", "id"])
    op.create_table(
        "task_assignee",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "user_id"),
    )
    op.create_index("task_by_assignee", "task_assignee", ["user_id", "task_id"])
    op.create_table(
        "task_notice",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "number"),
    )
    pending = sa.text("due_at IS NOT NULL")
    op.create_index("task_notice_due", "task_notice", ["due_at"], sqlite_where=pending, postgresql_where=pending)


def downgrade() -> None:
    op.drop_index("task_notice_due", "task_notice")
    op.drop_table("task_notice")
    op.drop_index("task_by_assignee", "task_assignee")
    op.drop_table("task_assignee")
    op.drop_index("task_by_status", "task")
    op.drop_index("task_by_execution", "task")
    op.drop_table("task")
