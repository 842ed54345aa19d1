"""Tests of service/documents/predictions/tail."""
