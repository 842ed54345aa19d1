"""Tests of service/documents."""
