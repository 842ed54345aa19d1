"""Requests and responses of model servers as predictions: tensors of V2, and tables of others.

Source: Open Inference Protocol (V2), REST, `inference request` and `inference response`. Rules
beyond those of the tensors and the tables:

- Request and response with equally many rows are one prediction per row, else one prediction. A
  message with several rows is then stored whole: a request as features, a response in ``_outputs``.
- The name of an output decides its field (``FIELD_OF_NAME``), else its type does: text, booleans
  and integers are the label, a float is the value, several numbers are the scores.
- Other outputs are stored unchanged, by name, in the feature ``_outputs``.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from service.documents.predictions.cloudevents.attributes import NotACloudEvent, invalid
from service.documents.predictions.cloudevents.json_data import Json, read_json
from service.documents.predictions.cloudevents.tables import FIELD_OF_NAME, read_table
from service.documents.predictions.cloudevents.tensors import (
    MAX_COLUMNS,
    UNMAPPED_OUTPUTS,
    NamedValues,
    Place,
    Tensor,
    rows_of,
)
from service.documents.predictions.ingest.describe import describe
from service.web.problems import pointer_to

MAX_LABEL_CHARS, MAX_SCORES = 200, 5_000
# The fields that hold rows, the first that a message has; V1's are before V2's.
_REQUEST_FIELDS = (
    "instances", "inputs", "dataframe_split", "dataframe_records", "input_data", "data",
)  # fmt: skip
_RESPONSE_FIELDS = ("predictions", "outputs", "data")
_TENSOR_FIELDS = {"shape", "datatype"}


class _V2Message(Struct):
    """The fields of a V2 message that a prediction needs."""

    model_name: str | None = None
    model_version: str | int | None = None


class _V2Request(_V2Message, kw_only=True):
    inputs: Annotated[list[Tensor], Meta(min_length=1, max_length=MAX_COLUMNS)]


class _V2Response(_V2Message, kw_only=True):
    outputs: Annotated[list[Tensor], Meta(min_length=1, max_length=MAX_COLUMNS)]


class Message(Struct):
    """A request or a response: its rows, None without a common batch, and its values unchanged."""

    rows: list[NamedValues] | None
    values: NamedValues
    model: str = ""
    version: str = ""


def read_message(data: bytes, *, is_response: bool) -> Message:
    """Return the message that the data of an event holds.

    Raises:
        BadRequest: the data is not JSON.
        NotACloudEvent: the data has no known shape; the pointer goes to the violation.
    """
    return message_of(read_json(data), is_response=is_response)


def message_of(data: Json, *, is_response: bool) -> Message:
    """Return the message of data that was read. Raises NotACloudEvent as :func:`read_message`."""
    return _read(data.value, is_response=is_response)


def _read(value: Any, *, is_response: bool) -> Message:
    if isinstance(value, list) and value:
        return _read_table(value, ("data",), is_response=is_response)
    fields = _RESPONSE_FIELDS if is_response else _REQUEST_FIELDS
    members = value if isinstance(value, dict) else {}
    name = next((name for name in fields if isinstance(members.get(name), list | dict)), None)
    if name is None:
        raise invalid("/data", f"Send an array of records, or an object with {_any_of(fields)}.")
    if name in ("inputs", "outputs") and _are_tensors(members[name]):
        return _read_v2(value, name, is_response=is_response)
    return _read_table(members[name], ("data", name), is_response=is_response)


def _any_of(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _are_tensors(items: Any) -> bool:
    return isinstance(items, list) and (
        not items or any(isinstance(item, dict) and item.keys() & _TENSOR_FIELDS for item in items)
    )


def _read_v2(value: Any, field: str, *, is_response: bool) -> Message:
    try:
        kind: type[_V2Request | _V2Response] = _V2Response if is_response else _V2Request
        message = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid_v2(error) from error
    except UnicodeEncodeError as error:
        detail = "Text must not contain lone surrogates."
        raise invalid(f"/data/{field}", detail, "invalid_unicode") from error
    tensors = message.outputs if isinstance(message, _V2Response) else message.inputs
    version = message.model_version
    return Message(
        rows=rows_of(tensors, field, is_response=is_response),
        values={tensor.name: tensor.data for tensor in tensors},
        model=message.model_name or "",
        version="" if version is None else str(version),
    )


def _read_table(table: Any, place: Place, *, is_response: bool) -> Message:
    rows = read_table(table, place, is_response=is_response)
    return Message(rows=rows or None, values={str(place[-1]): table})


def combine(request: Message, response: Message) -> list[tuple[NamedValues, NamedValues]]:
    """Return features and output of each prediction."""
    inputs, outputs = request.rows or [], response.rows or []
    if inputs and len(inputs) == len(outputs):
        return [_prediction(*row) for row in zip(inputs, outputs, strict=True)]
    features = inputs[0] if len(inputs) == 1 else request.values
    if len(outputs) == 1:
        return [_prediction(features, outputs[0])]
    return [({**features, UNMAPPED_OUTPUTS: response.values}, {})]


def _prediction(features: NamedValues, outputs: NamedValues) -> tuple[NamedValues, NamedValues]:
    output, unmapped = _map_outputs(outputs)
    return {**features, UNMAPPED_OUTPUTS: unmapped} if unmapped else features, output


def _map_outputs(outputs: NamedValues) -> tuple[NamedValues, NamedValues]:
    """Return the output of an event, and the values that fit none of its fields."""
    output: NamedValues = {}
    unmapped: NamedValues = {}
    for name, value in outputs.items():
        if value is None:
            continue
        field = _output_field(name, value)
        if field is None or field in output:
            unmapped[name] = value
        else:
            output[field] = value
    return output, unmapped


def _output_field(name: str, value: Any) -> str | None:
    """Return the field of an output; its name counts only if the field takes such a value."""
    named = FIELD_OF_NAME.get(name.lower())
    if isinstance(value, str):
        return "label" if len(value) <= MAX_LABEL_CHARS else None
    if isinstance(value, bool | int):
        return named if named == "value" and not isinstance(value, bool) else "label"
    if isinstance(value, float):
        return "score" if named == "score" else "value"
    numbers = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(numbers, list) or any(type(number) not in (int, float) for number in numbers):
        return None
    has_floats = any(isinstance(number, float) for number in numbers)
    fits = 0 < len(numbers) <= MAX_SCORES
    return "scores" if fits and (has_floats or named == "score") else None


def _invalid_v2(error: msgspec.ValidationError) -> NotACloudEvent:
    steps, detail = describe(str(error))
    return invalid(pointer_to(("data", *steps)), detail)
