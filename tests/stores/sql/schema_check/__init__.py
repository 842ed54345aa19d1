"""Tests of ``service.stores.sql.schema_check``."""
