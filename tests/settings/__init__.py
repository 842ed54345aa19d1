"""Tests of service/settings."""
