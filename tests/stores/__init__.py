"""Tests of service/stores."""
