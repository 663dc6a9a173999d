"""triggers

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workflow_trigger",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("workflow_id", sa.String(length=64), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=False),
        sa.Column("type_version", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("credentials", sa.JSON(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("overlap", sa.SmallInteger(), nullable=False),
        sa.Column("catch_up_window", sa.BigInteger(), nullable=False),
        sa.Column("catch_up_limit", sa.Integer(), nullable=False),
        sa.Column("pause_on_failure", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("resumed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trigger_by_creation", "workflow_trigger", ["created_at", "id"])
    op.create_index("trigger_by_workflow", "workflow_trigger", ["workflow_id"])
    op.create_table(
        "trigger_route",
        sa.Column("route", sa.String(length=700), nullable=False),
        sa.Column("trigger_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("route"),
    )
    op.create_index("route_by_trigger", "trigger_route", ["trigger_id"])
    op.create_table(
        "trigger_event",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("trigger_id", sa.String(length=64), nullable=False),
        sa.Column("delivery_id", sa.String(length=255), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.SmallInteger(), nullable=False),
        sa.Column("execution_id", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_index("event_by_trigger", "trigger_event", ["trigger_id", "pk"])
    op.create_index("event_by_delivery", "trigger_event", ["trigger_id", "delivery_id"], unique=True)
    waiting = sa.text("decision IN (7, 9)")
    op.create_index("event_waiting", "trigger_event", ["pk"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_table("trigger_event")
    op.drop_table("trigger_route")
    op.drop_table("workflow_trigger")
