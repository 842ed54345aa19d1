"""Tests here speak to a gate of their own."""

from tests.access.doors import door, gate

__all__ = ["door", "gate"]
