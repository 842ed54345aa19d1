"""Migrations on databases with rows."""
