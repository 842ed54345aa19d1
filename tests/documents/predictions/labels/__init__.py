"""Tests of service/documents/predictions/labels."""
