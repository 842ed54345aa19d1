"""Migrations on databases with rows in them."""
