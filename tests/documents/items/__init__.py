"""Tests of items and their types."""
