"""Each test has an authenticator of its own."""

from tests.auth.auth_fixtures import auth_client, authenticator

__all__ = ["auth_client", "authenticator"]
