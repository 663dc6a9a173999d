"""What retention needs: who ended when, which executions hold a blob, and what is still to be removed."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PK = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    where = sa.text("ended_at IS NOT NULL")
    op.create_index(
        "execution_ended",
        "workflow_execution",
        ["workflow_id", "ended_at", "pk"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table("execution_pruned", sa.Column("pk", PK, primary_key=True, autoincrement=False))
    op.create_table(
        "blob_reference",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("execution_pk", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("released_at", sa.BigInteger()),
    )
    op.create_index("blob_reference_by_execution", "blob_reference", ["execution_pk"])
    tracking = op.create_table(
        "blob_tracking",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
    )
    assert tracking is not None
    # Large events lie in blobs themselves, where no migration can look for references: what is there now stays.
    op.bulk_insert(tracking, [{"id": 1, "since": time.time_ns() // 1_000_000}])


def downgrade() -> None:
    for table in ("blob_tracking", "blob_reference", "execution_pruned"):
        op.drop_table(table)
    op.drop_index("execution_ended", "workflow_execution")
