"""Tests of service/stores/sql."""
