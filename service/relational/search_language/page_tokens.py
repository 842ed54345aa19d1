"""Page tokens of searches: the order values of the last row, signed with filter and order.

The same text is a ``cursor`` on our addresses and a ``page_token`` on MLflow's.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service.core.signing import Signer
from service.web.lists.cursors import BadCursor, Cursor, read_cursor, write_cursor

MOST_CHARS = 100_000  # of a token; 10 values of 250 characters have fewer


class PageTokens:
    """Tokens of one search.

    Args:
        signer: of the service: ``request.state.signer``.
        made_for: what a token is valid for, as JSON values: the search, its filter and its order.
    """

    def __init__(self, signer: Signer, *made_for: Any) -> None:
        self._signer = signer
        self._made_for = json.dumps(made_for, default=str).encode()

    def write(self, values: Sequence[Any]) -> str:
        """Return the token of the page behind a row; the last of its values is its id."""
        *others, key = values
        return write_cursor(Cursor(tuple(others), key), self._made_for, self._signer)

    def read(self, token: str | None) -> tuple[Any, ...] | None:
        """Return the values that a token holds; None for the first page.

        Raises:
            BadCursor: the token is of another search, or was altered.
        """
        if not token:
            return None
        if len(token) > MOST_CHARS:
            raise BadCursor
        values, key, _ = read_cursor(token, self._made_for, self._signer)
        end: UUID = key
        return (*values, end)
