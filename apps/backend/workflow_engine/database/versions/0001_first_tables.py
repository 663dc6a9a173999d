"""first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engine_owner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("commits", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "execution_event",
        sa.Column("execution_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("execution_pk", "seq"),
    )
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("result", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_table(
        "workflow",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("draft", sa.LargeBinary(), nullable=False),
        sa.Column("draft_revision", sa.BigInteger(), nullable=False),
        sa.Column("published_version", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("workflow", schema=None) as batch_op:
        batch_op.create_index("workflow_by_change", ["updated_at", "id"], unique=False)
        batch_op.create_index("workflow_by_user", ["user_id", "updated_at"], unique=False)

    op.create_table(
        "workflow_definition",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "workflow_execution",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("workflow_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("triggered_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("parent_pk", sa.BigInteger(), nullable=True),
        sa.Column("parent_address", sa.String(length=255), nullable=False),
        sa.Column("root_pk", sa.BigInteger(), nullable=True),
        sa.Column("retried_from", sa.String(length=128), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("failure_summary", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("workflow_execution", schema=None) as batch_op:
        batch_op.create_index("execution_by_key", ["workflow_id", "idempotency_key"], unique=True)
        batch_op.create_index("execution_by_parent", ["parent_pk"], unique=False)
        batch_op.create_index("execution_by_user", ["user_id", "pk"], unique=False)
        batch_op.create_index("execution_by_workflow", ["workflow_id", "pk"], unique=False)
        batch_op.create_index(
            "execution_open",
            ["pk"],
            unique=False,
            sqlite_where=sa.text("status < 5"),
            postgresql_where=sa.text("status < 5"),
        )

    op.create_table(
        "workflow_version",
        sa.Column("workflow_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("published_by", sa.String(length=255), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflow.id"]),
        sa.ForeignKeyConstraint(["digest"], ["workflow_definition.digest"]),
        sa.PrimaryKeyConstraint("workflow_id", "version"),
    )


def downgrade() -> None:
    op.drop_table("workflow_version")
    with op.batch_alter_table("workflow_execution", schema=None) as batch_op:
        batch_op.drop_index(
            "execution_open", sqlite_where=sa.text("status < 5"), postgresql_where=sa.text("status < 5")
        )
        batch_op.drop_index("execution_by_workflow")
        batch_op.drop_index("execution_by_user")
        batch_op.drop_index("execution_by_parent")
        batch_op.drop_index("execution_by_key")

    op.drop_table("workflow_execution")
    op.drop_table("workflow_definition")
    with op.batch_alter_table("workflow", schema=None) as batch_op:
        batch_op.drop_index("workflow_by_user")
        batch_op.drop_index("workflow_by_change")

    op.drop_table("workflow")
    op.drop_table("idempotency")
    op.drop_table("execution_event")
    op.drop_table("engine_owner")
