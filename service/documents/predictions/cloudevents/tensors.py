"""Tensors of the Open Inference Protocol (V2) as named columns with one value per row.

Source: Open Inference Protocol, REST: `request input`, `response output`, `tensor data`. Rules:

- The first dimension is the batch; each row is one prediction.
- An input with one value per row is a column with the tensor's name.
- An input with several values per row is one column each. ``parameters.columns`` (a list, or text
  with commas) names them, else they are ``name_0``, ``name_1`` …
- An input with more dimensions, or more columns than an event has features, stays a list.
- An output with several values per row stays a list, or an object where its columns have names.
"""

import math
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from service.documents.predictions.cloudevents.attributes import NotACloudEvent, invalid
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS

NamedValues = dict[str, Any]
Place = tuple[object, ...]
UNMAPPED_OUTPUTS = "_outputs"  # a feature of ours, see inference_protocol.py
MAX_COLUMNS, MAX_DIMENSIONS = 2000, 8
_MAX_FLOAT = 2**1023  # of an integer that a float holds
_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(_FLOATS, (float, int)),
}
_Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
]  # fmt: skip
_Size = Annotated[int, Meta(ge=0, le=2**62)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Tensor(Struct):
    """One input or output; ``data`` is flat or nested."""

    name: _Name
    shape: Annotated[list[_Size], Meta(max_length=MAX_DIMENSIONS)]
    datatype: _Datatype
    data: list[Any]
    parameters: dict[str, Any] | None = None


def rows_of(tensors: list[Tensor], field: str, *, is_response: bool) -> list[NamedValues] | None:
    """Return the rows, each value under its name, or None if the tensors share no batch.

    Raises:
        NotACloudEvent: a tensor is malformed; the pointer goes into ``field`` of the data.
    """
    columns: dict[str, list[Any]] = {}
    batches, names = set(), {UNMAPPED_OUTPUTS}
    for index, tensor in enumerate(tensors):
        place = ("data", field, index)
        if tensor.name in names:
            raise _duplicate_name(place)
        names.add(tensor.name)
        values = _values(tensor, place)
        batches.add(tensor.shape[0] if tensor.shape else None)
        if tensor.shape and tensor.shape[0] > MAX_ITEMS:
            raise invalid(pointer_to((*place, "shape")), f"Send at most {MAX_ITEMS} rows.")
        for name, column in _columns(tensor, values, place, is_response=is_response):
            if name in columns or name == UNMAPPED_OUTPUTS:
                raise _duplicate_name(place)
            columns[name] = column
    batch = batches.pop()
    if batches or not batch:
        return None
    return [{name: column[row] for name, column in columns.items()} for row in range(batch)]


def _duplicate_name(place: Place) -> NotACloudEvent:
    return invalid(pointer_to((*place, "name")), "Use another name: this one is taken.")


def _values(tensor: Tensor, place: Place) -> list[Any]:
    """Return the elements of a tensor in one list, row by row, as many as its shape has."""
    flat = tensor.data
    for _ in range(MAX_DIMENSIONS):
        if not any(isinstance(value, list) for value in flat):
            break
        flat = [item for value in flat for item in (value if isinstance(value, list) else [value])]
    types = _PYTHON_TYPES.get(tensor.datatype, (int,))
    limit = _MAX_FLOAT if tensor.datatype in _FLOATS else 2**64
    is_wrong = any(
        value is not None
        and (type(value) not in types or (isinstance(value, int) and abs(value) >= limit))
        and not (tensor.datatype == "BYTES" and _is_nan(value))  # pandas has it for no text
        for value in flat
    )
    size = math.prod(tensor.shape)
    if is_wrong or len(flat) != size:
        detail = f"Send {size} elements of {tensor.datatype}, because the shape has as many."
        raise invalid(pointer_to((*place, "data")), detail)
    if tensor.datatype in _FLOATS:
        return [value if value is None else float(value) for value in flat]
    return flat


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _columns(
    tensor: Tensor, values: list[Any], place: Place, *, is_response: bool
) -> list[tuple[str, list[Any]]]:
    """Return the columns of a tensor with their names; columns of a response stay together."""
    batch = tensor.shape[0] if tensor.shape else 0
    width = len(values) // batch if batch else 0
    if not width:
        return [(tensor.name, [[]] * batch)]
    names = _column_names(tensor, width, place)
    if width == 1:
        return [(names[0] if names else tensor.name, values)]
    if not is_response and len(tensor.shape) == 2 and width <= MAX_COLUMNS:
        names = names or [f"{tensor.name}_{column}" for column in range(width)]
        return [(name, values[column::width]) for column, name in enumerate(names)]
    rows = [values[start : start + width] for start in range(0, len(values), width)]
    if names and is_response and tensor.datatype in _FLOATS:
        return [(tensor.name, [dict(zip(names, row, strict=True)) for row in rows])]
    return [(tensor.name, [nest(row, tensor.shape[1:]) for row in rows])]


def _column_names(tensor: Tensor, width: int, place: Place) -> list[str]:
    """Return the names in ``parameters.columns``; none if the tensor has no such parameter."""
    columns = (tensor.parameters or {}).get("columns")
    if columns is None:
        return []
    if isinstance(columns, str):
        columns = columns.split(",")
    is_valid = isinstance(columns, list) and all(isinstance(name, str) for name in columns)
    names = [name.strip() for name in columns] if is_valid else []
    if not len(names) == len(set(names)) == width:
        pointer = pointer_to((*place, "parameters", "columns"))
        raise invalid(pointer, f"Send {width} different names: a list, or text with commas.")
    return names


def nest(row: list[Any], shape: list[int]) -> list[Any]:
    """Return the values of a flat list, nested by the sizes of the shape."""
    for size in reversed(shape[1:]):
        row = [row[start : start + size] for start in range(0, len(row), size)]
    return row
