"""Rows of the JSON tables that model servers take and answer with, beside the tensors of V2.

Sources: KServe V1 and TensorFlow Serving (rows in ``instances``, columns in ``inputs``), MLflow
(``dataframe_split``, ``dataframe_records``), Azure ML (``input_data``, ``data``, arrays of
records), Seldon (``data.names`` with ``data.ndarray`` or ``data.tensor``). Rules:

- A row that is an object names its values; a flat row of a request is ``name_0``, ``name_1`` …
- An object of arrays of one length has a column in each; any other object is one row.
- The index of a data frame is left out.
- Names of several numbers in Seldon's response are those of classes, unless one is an output's.
"""

import math
from typing import Any

from service.documents.predictions.cloudevents.attributes import invalid
from service.documents.predictions.cloudevents.tensors import (
    MAX_COLUMNS,
    UNMAPPED_OUTPUTS,
    NamedValues,
    Place,
    nest,
)
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS

# The field of an output by the name that a model server gives it.
FIELD_OF_NAME = {
    **dict.fromkeys(("label", "labels", "class", "classes", "output_label"), "label"),
    **dict.fromkeys(("score", "scores", "probability", "probabilities"), "score"),
    **dict.fromkeys(("predict_proba", "output_probability"), "score"),
    "value": "value",
}


def read_table(table: Any, place: Place, *, is_response: bool) -> list[NamedValues]:
    """Return the rows of a table, each value under its name.

    Args:
        table: an array or an object.
        place: where it is; values without a name of their own get its last part.
        is_response: columns of a response stay together.

    Raises:
        NotACloudEvent: the table is malformed, too long, or uses a name of ours.
    """
    rows = _rows(table, place, is_response=is_response)
    if len(rows) > MAX_ITEMS:
        raise invalid(pointer_to(place), f"Send at most {MAX_ITEMS} rows.")
    for index, row in enumerate(rows):
        if UNMAPPED_OUTPUTS in row:
            pointer = pointer_to((*place, index, UNMAPPED_OUTPUTS))
            raise invalid(pointer, "Use another name: this one is taken.")
    return rows


def _rows(table: Any, place: Place, *, is_response: bool) -> list[NamedValues]:
    name = str(place[-1])
    if isinstance(table, list):
        return [_row(item, name, is_response=is_response) for item in table]
    if "tftensor" in table:
        raise invalid(pointer_to((*place, "tftensor")), "Send ndarray or tensor.", "unsupported")
    if "ndarray" in table or "tensor" in table:
        return _named_rows(table, place, is_response=is_response)
    if isinstance(table.get("data"), list) and table.keys() <= {"columns", "index", "data"}:
        if "columns" not in table:
            return _rows(table["data"], place, is_response=is_response)
        return _split_rows(table, place)
    lengths = {len(column) if isinstance(column, list) else 0 for column in table.values()}
    if len(lengths) != 1 or lengths == {0}:
        return [table] if table else []
    columns = zip(*table.values(), strict=True)
    return [dict(zip(table, row, strict=True)) for row in columns]


def _row(item: Any, name: str, *, is_response: bool) -> NamedValues:
    if isinstance(item, dict):
        return item
    if is_response or not _is_flat(item) or not 0 < len(item) <= MAX_COLUMNS:
        return {name: item}
    return {f"{name}_{column}": value for column, value in enumerate(item)}


def _is_flat(item: Any) -> bool:
    return isinstance(item, list) and not any(isinstance(value, list | dict) for value in item)


def _split_rows(table: NamedValues, place: Place) -> list[NamedValues]:
    """Return the rows of a data frame as pandas writes it with ``orient="split"``."""
    names = _names(table["columns"], (*place, "columns"))
    for index, row in enumerate(table["data"]):
        if not isinstance(row, list) or len(row) != len(names):
            pointer = pointer_to((*place, "data", index))
            raise invalid(pointer, f"Send {len(names)} values, because there are as many columns.")
    return [dict(zip(names, row, strict=True)) for row in table["data"]]


def _names(names: Any, place: Place) -> list[str]:
    texts = [str(name) for name in names] if isinstance(names, list) else []
    if not isinstance(names, list) or len(set(texts)) != len(texts):
        raise invalid(pointer_to(place), "Send an array of different names.")
    return texts


# -- Seldon ----------------------------------------------------------------------------------------


def _named_rows(table: NamedValues, place: Place, *, is_response: bool) -> list[NamedValues]:
    names = _names(table.get("names") or [], (*place, "names"))
    items = _array(table, place)
    if len(names) == len(items) and not any(isinstance(item, list | dict) for item in items):
        items = [items]  # one row without a dimension for rows
    return [_named_row(item, names, str(place[-1]), is_response=is_response) for item in items]


def _named_row(item: Any, names: list[str], name: str, *, is_response: bool) -> NamedValues:
    values = item if isinstance(item, list) else [item]
    if len(values) != len(names):
        alone = len(values) == 1 and not isinstance(values[0], list)
        return _row(values[0] if alone else item, name, is_response=is_response)
    row = dict(zip(names, values, strict=True))
    are_numbers = all(isinstance(value, float) for value in values)
    if is_response and are_numbers and len(values) > 1 and not _has_output_name(names):
        return {name: row}
    return row


def _has_output_name(names: list[str]) -> bool:
    return any(name.lower() in FIELD_OF_NAME for name in names)


def _array(table: NamedValues, place: Place) -> list[Any]:
    tensor = table.get("tensor")
    if tensor is None:
        items = table.get("ndarray")
        if not isinstance(items, list):
            raise invalid(pointer_to((*place, "ndarray")), "Send an array.")
        return items
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    values = tensor.get("values") if isinstance(tensor, dict) else None
    if not (
        isinstance(shape, list)
        and isinstance(values, list)
        and shape
        and all(type(size) is int and size > 0 for size in shape)
        and math.prod(shape) == len(values)
    ):
        detail = "Send a shape of positive integers, and as many values as it has elements."
        raise invalid(pointer_to((*place, "tensor")), detail)
    return nest(values, shape)
