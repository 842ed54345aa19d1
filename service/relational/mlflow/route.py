"""Route class of MLflow's addresses in PostgreSQL."""

from collections.abc import Callable
from typing import Any

from service.stores.sql.route import SqlRoute


class MlflowRoute(SqlRoute):
    """A request in one transaction, as others; MLflow's own documents describe it.

    There is no Idempotency-Key, because the clients send none.
    """

    keeps_responses = False
    ignores_parameters = True

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options |= {"include_in_schema": False, "response_model_exclude_none": True}
        super().__init__(path, endpoint, **options)
