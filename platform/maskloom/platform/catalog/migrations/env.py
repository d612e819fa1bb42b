"""Alembic's entry: migrations run inside the transaction that `Database.migrate` opens."""

from alembic import context

from maskloom.platform.catalog.every_table import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_server_default=False
)
context.run_migrations()
