"""Tests of service/documents/predictions/ingest."""
