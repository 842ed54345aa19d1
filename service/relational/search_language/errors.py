"""Errors of the search language; each names the place in the text, and how to correct it."""

from service.core.errors import Refused


class InvalidFilter(Refused):
    code, title, pointer = "invalid_filter", "Filter is not valid", "/filter"

    def __init__(self, what: str, at: int | None = None) -> None:
        super().__init__(what if at is None else f"At character {at + 1}: {what}")


class InvalidOrder(Refused):
    code, title, pointer = "invalid_order", "Order is not valid", "/order_by"

    def __init__(self, what: str, at: int | None = None) -> None:
        super().__init__(what if at is None else f"At character {at + 1}: {what}")
