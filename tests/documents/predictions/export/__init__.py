"""Tests of service/documents/predictions/export."""
