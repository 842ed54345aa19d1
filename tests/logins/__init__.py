"""Logins."""
