"""Tests of retention rules."""
