"""Alembic's environment: runs the migrations in database/versions on the database that the caller names."""

from alembic import context
from sqlalchemy import text

from workflow_engine.models import (  # noqa: F401  (they register their tables)
    account,
    credential,
    execution,
    memory,
    task,
    trigger,
    workflow,
)
from workflow_engine.models.database import Base, connect

LOCK = 0x6D69_6772_6174_6500
"""An advisory lock's number: `migrate` in ASCII."""

url = context.config.get_main_option("sqlalchemy.url")
assert url is not None
engine = connect(url)
with engine.connect().execution_options(writes=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite can not alter a column in place; Alembic then copies the table.
        render_as_batch=engine.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        # Two processes that start together must not both create the tables. SQLite's own lock does the same.
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()
engine.dispose()
