"""Tests here speak to a gate of their own."""

from tests.auth.auth_fixtures import door, gate

__all__ = ["door", "gate"]
