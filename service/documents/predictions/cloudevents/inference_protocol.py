"""Requests and responses of model servers as predictions: V2 and V1 of the inference protocol.

Sources: Open Inference Protocol (V2), REST, `inference request` and `inference response`; V1 is
`{"instances": […]}` and `{"predictions": […]}`. Rules beyond those of the tensors:

- An instance of V1 that is an object names its features; a list is ``instances_0`` …
- Request and response with equally many rows are one prediction per row, else one prediction. A
  message with several rows is then stored whole: a request as features, a response in ``_outputs``.
- The name of an output decides its field (``_FIELD_OF_NAME``), else its type does: text, booleans
  and integers are the label, a float is the value, several numbers are the scores.
- Other outputs are stored unchanged, by name, in the feature ``_outputs``.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from service.documents.predictions.cloudevents.attributes import NotACloudEvent, invalid
from service.documents.predictions.cloudevents.tensors import (
    MAX_COLUMNS,
    UNMAPPED_OUTPUTS,
    NamedValues,
    Tensor,
    rows_of,
)
from service.documents.predictions.ingest.describe import describe
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS
from service.web.strict_json import InvalidJson, InvalidUtf8, TooDeep

MAX_LABEL_CHARS, MAX_SCORES = 200, 5_000
_FIELD_OF_NAME = {
    **dict.fromkeys(("label", "labels", "class", "classes", "output_label"), "label"),
    **dict.fromkeys(("score", "scores", "probability", "probabilities"), "score"),
    **dict.fromkeys(("predict_proba", "output_probability"), "score"),
    "value": "value",
}


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
        NotACloudEvent: the data is neither V2 nor V1; the pointer goes to the violation.
    """
    value = _decode(data)
    v1, v2 = ("predictions", "outputs") if is_response else ("instances", "inputs")
    if not isinstance(value, dict) or not isinstance(value.get(v1, value.get(v2)), list):
        detail = f"Send an array {v2} (Open Inference Protocol) or {v1} (V1)."
        raise invalid("/data", detail)
    if v1 in value:
        return _read_v1(value[v1], v1, is_response=is_response)
    try:
        kind: type[_V2Request | _V2Response] = _V2Response if is_response else _V2Request
        message = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _invalid_v2(error) from error
    tensors = message.outputs if isinstance(message, _V2Response) else message.inputs
    version = message.model_version
    return Message(
        rows=rows_of(tensors, v2, is_response=is_response),
        values={tensor.name: tensor.data for tensor in tensors},
        model=message.model_name or "",
        version="" if version is None else str(version),
    )


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
    named = _FIELD_OF_NAME.get(name.lower())
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


def _read_v1(items: list[Any], field: str, *, is_response: bool) -> Message:
    if len(items) > MAX_ITEMS:
        raise invalid(f"/data/{field}", f"Send at most {MAX_ITEMS} rows.")
    rows = [_v1_row(item, field, is_response=is_response) for item in items]
    for index, row in enumerate(rows):
        if UNMAPPED_OUTPUTS in row:
            pointer = pointer_to(("data", field, index, UNMAPPED_OUTPUTS))
            raise invalid(pointer, "Use another name: this one is taken.")
    return Message(rows=rows or None, values={field: items})


def _v1_row(item: Any, field: str, *, is_response: bool) -> NamedValues:
    if isinstance(item, dict):
        return item
    is_flat = isinstance(item, list) and not any(isinstance(value, list | dict) for value in item)
    if is_response or not is_flat or not 0 < len(item) <= MAX_COLUMNS:
        return {field: item}
    return {f"{field}_{column}": value for column, value in enumerate(item)}


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise TooDeep from error
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    except msgspec.DecodeError as error:
        raise InvalidJson(f"Send the data as JSON: {error}.") from error


def _invalid_v2(error: msgspec.ValidationError) -> NotACloudEvent:
    steps, detail = describe(str(error))
    return invalid(pointer_to(("data", *steps)), detail)
