"""What a model server was asked and what it answered, as predictions: V2 and V1.

Sources: Open Inference Protocol (V2), REST, `inference request` and `inference response`; V1 is
`{"instances": […]}` and `{"predictions": […]}`. Rules beyond those of the tensors:

- An instance of V1 that is an object names its features; a list is ``instances_0`` …
- Where request and response have as many rows, each is a prediction; else all of it is one, and of
  a side with several rows the tensors are kept as they came: in features and in ``_outputs``.
- An output goes where its name says (``_MEANT``), else where its values do: text, booleans and
  whole numbers are the label, a number is the value, several numbers are the scores. What fits
  nowhere is kept as it is, by name, in the feature ``_outputs``.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from service.documents.predictions.cloudevents.envelope import NotACloudEvent, faulty
from service.documents.predictions.cloudevents.tensors import (
    KEPT,
    MOST_COLUMNS,
    Row,
    Tensor,
    rows_of,
)
from service.documents.predictions.ingest.event import MAX_SCORES
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS
from service.web.strict_json import InvalidJson, InvalidUtf8, TooDeep

LONGEST_LABEL = 200
_PLACE = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"[^.\[\]]+")
_MEANT = {
    **dict.fromkeys(("label", "labels", "class", "classes", "output_label"), "label"),
    **dict.fromkeys(("score", "scores", "probability", "probabilities"), "score"),
    **dict.fromkeys(("predict_proba", "output_probability"), "score"),
    "value": "value",
}


class _Message(Struct):
    """What we read of a V2 message; its other fields say nothing of a prediction."""

    model_name: str | None = None
    model_version: str | int | None = None


class _Question(_Message, kw_only=True):
    inputs: Annotated[list[Tensor], Meta(min_length=1, max_length=MOST_COLUMNS)]


class _Answer(_Message, kw_only=True):
    outputs: Annotated[list[Tensor], Meta(min_length=1, max_length=MOST_COLUMNS)]


class Side(Struct):
    """A request or an answer: its rows, None without a common batch; and all of it as it came."""

    rows: list[Row] | None
    whole: Row
    model: str = ""
    version: str = ""


def read_side(data: bytes, *, answer: bool) -> Side:
    """The rows of a request, or of an answer.

    Raises:
        BadRequest: it is not JSON.
        NotACloudEvent: it is neither V2 nor V1, with a pointer to what is wrong.
    """
    value = _json(data)
    v1, v2 = ("predictions", "outputs") if answer else ("instances", "inputs")
    if not isinstance(value, dict) or not isinstance(value.get(v1, value.get(v2)), list):
        raise faulty("/data", f"It has {v2} (Open Inference Protocol) or {v1} (V1), an array.")
    if v1 in value:
        return _v1(value[v1], v1, answer=answer)
    try:
        kind: type[_Question | _Answer] = _Answer if answer else _Question
        message = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _misshapen(error) from error
    tensors = message.outputs if isinstance(message, _Answer) else message.inputs
    version = message.model_version
    return Side(
        rows=rows_of(tensors, v2, answer=answer),
        whole={tensor.name: tensor.data for tensor in tensors},
        model=message.model_name or "",
        version="" if version is None else str(version),
    )


def paired(asked: Side, answered: Side) -> list[tuple[Row, Row]]:
    """The features and the output of each prediction."""
    questions, answers = asked.rows or [], answered.rows or []
    if questions and len(questions) == len(answers):
        return [_prediction(*pair) for pair in zip(questions, answers, strict=True)]
    features = questions[0] if len(questions) == 1 else asked.whole
    if len(answers) == 1:
        return [_prediction(features, answers[0])]
    return [({**features, KEPT: answered.whole}, {})]


def _prediction(features: Row, outputs: Row) -> tuple[Row, Row]:
    output, kept = _output(outputs)
    return {**features, KEPT: kept} if kept else features, output


def _output(outputs: Row) -> tuple[Row, Row]:
    """The output of an event, and what does not fit into one."""
    said: Row = {}
    kept: Row = {}
    for name, value in outputs.items():
        if value is None:
            continue
        field = _field(name, value)
        if field is None or field in said:
            kept[name] = value
        else:
            said[field] = value
    return said, kept


def _field(name: str, value: Any) -> str | None:
    """Where an output belongs; a name counts only if the value is of its kind."""
    meant = _MEANT.get(name.lower())
    if isinstance(value, str):
        return "label" if len(value) <= LONGEST_LABEL else None
    if isinstance(value, bool | int):
        return meant if meant == "value" and not isinstance(value, bool) else "label"
    if isinstance(value, float):
        return "score" if meant == "score" else "value"
    several = list(value.values()) if isinstance(value, dict) else value
    numbers = isinstance(several, list) and all(type(each) in (int, float) for each in several)
    floats = numbers and any(isinstance(each, float) for each in several)
    fits = numbers and 0 < len(several) <= MAX_SCORES
    return "scores" if fits and (floats or meant == "score") else None


def _v1(items: list[Any], field: str, *, answer: bool) -> Side:
    if len(items) > MAX_ITEMS:
        raise faulty(f"/data/{field}", f"At most {MAX_ITEMS} rows.")
    rows = [_v1_row(item, field, answer=answer) for item in items]
    for place, row in enumerate(rows):
        if KEPT in row:
            raise faulty(pointer_to(("data", field, place, KEPT)), "The name is taken already.")
    return Side(rows=rows or None, whole={field: items})


def _v1_row(item: Any, field: str, *, answer: bool) -> Row:
    if isinstance(item, dict):
        return item
    flat = isinstance(item, list) and not any(isinstance(each, list | dict) for each in item)
    if answer or not flat or not 0 < len(item) <= MOST_COLUMNS:
        return {field: item}
    return {f"{field}_{place}": each for place, each in enumerate(item)}


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except RecursionError as error:
        raise TooDeep from error
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    except msgspec.DecodeError as error:
        raise InvalidJson(f"The data is not JSON: {error}.") from error


def _misshapen(error: msgspec.ValidationError) -> NotACloudEvent:
    place = _PLACE.search(str(error))
    steps = _STEP.findall(place[1]) if place else []
    return faulty(pointer_to(("data", *steps)), f"{_PLACE.sub('', str(error))}.")
