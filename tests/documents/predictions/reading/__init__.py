"""Tests of service/documents/predictions/reading."""
