"""How Alembic runs the migrations: on the connection it is given, whose transaction is not its own."""

from __future__ import annotations

from alembic import context

from oneapi_asgi.storage.sql.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    version_table_pk=False,
    render_as_batch=True,
)
context.run_migrations()
