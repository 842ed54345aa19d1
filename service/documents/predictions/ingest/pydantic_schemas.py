"""Pydantic twins of two schemas, until labels and CloudEvents use the structs."""

from service.web.schemas import ResponseModel


class IntakeError(ResponseModel):
    pointer: str
    code: str
    detail: str


class StreamLineError(ResponseModel):
    line: int
    code: str
    errors: list[IntakeError] = []
