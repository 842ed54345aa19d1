"""Tests here speak to a gate of their own."""

from tests.auth.auth_fixtures import auth_client, authenticator

__all__ = ["auth_client", "authenticator"]
