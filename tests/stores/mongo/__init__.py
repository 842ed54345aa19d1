"""Tests of service/stores/mongo."""
