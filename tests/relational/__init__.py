"""Tests of service/relational."""
