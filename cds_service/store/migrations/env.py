"""Run by Alembic, with the connection that `store.migrate` gives it; never imported."""

from __future__ import annotations

from alembic import context

from cds_service.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
