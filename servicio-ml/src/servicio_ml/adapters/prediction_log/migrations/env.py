"""Run by Alembic: migrates the connection it is given, in the transaction that is open there."""

from alembic import context

from servicio_ml.adapters.prediction_log.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
