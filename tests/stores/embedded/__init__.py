"""Tests of service/stores/embedded."""
