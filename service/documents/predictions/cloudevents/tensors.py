"""Tensors of the Open Inference Protocol (V2) as columns with names, a value for each row.

Source: Open Inference Protocol, REST: `request input`, `response output`, `tensor data`. Rules:

- The first dimension is the batch; each row is a prediction.
- An input of one value a row is a column of the tensor's name. One of several is a column each,
  named by ``parameters.columns`` (a list, or text with commas), else ``name_0``, ``name_1`` …;
  with more dimensions, or more columns than an event has features, it stays a list.
- An output of several values a row stays a list, or an object where they have such names.
"""

import math
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from service.documents.predictions.cloudevents.envelope import NotACloudEvent, faulty
from service.web.problems import pointer_to
from service.web.schemas import MAX_ITEMS

Row = dict[str, Any]
Where = tuple[object, ...]
KEPT = "_outputs"  # see inference.py
MOST_COLUMNS, MOST_DIMENSIONS = 2000, 8
_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_KINDS: dict[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(_FLOATS, (float, int)),
}
_Type = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
]  # fmt: skip
_Size = Annotated[int, Meta(ge=0, le=2**62)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Tensor(Struct):
    """One input or output; ``data`` is flat or nested."""

    name: _Text
    shape: Annotated[list[_Size], Meta(max_length=MOST_DIMENSIONS)]
    datatype: _Type
    data: list[Any]
    parameters: dict[str, Any] | None = None


def rows_of(tensors: list[Tensor], field: str, *, answer: bool) -> list[Row] | None:
    """The rows, each value by its name; None where the tensors have no batch in common.

    Raises:
        NotACloudEvent: with a pointer into ``field`` of the data.
    """
    columns: dict[str, list[Any]] = {}
    batches, seen = set(), {KEPT}
    for place, tensor in enumerate(tensors):
        where = ("data", field, place)
        if tensor.name in seen:
            raise _taken(where)
        seen.add(tensor.name)
        values = _values(tensor, where)
        batches.add(tensor.shape[0] if tensor.shape else None)
        if tensor.shape and tensor.shape[0] > MAX_ITEMS:
            raise faulty(pointer_to((*where, "shape")), f"At most {MAX_ITEMS} rows.")
        for name, column in _columns(tensor, values, where, answer=answer):
            if name in columns or name == KEPT:
                raise _taken(where)
            columns[name] = column
    batch = batches.pop()
    if batches or not batch:
        return None
    return [{name: column[row] for name, column in columns.items()} for row in range(batch)]


def _taken(where: Where) -> NotACloudEvent:
    return faulty(pointer_to((*where, "name")), "The name is taken already.")


def _values(tensor: Tensor, where: Where) -> list[Any]:
    """The elements of a tensor in one list, row by row, as many as its shape says."""
    flat = tensor.data
    for _ in range(MOST_DIMENSIONS):
        if not any(isinstance(each, list) for each in flat):
            break
        flat = [one for each in flat for one in (each if isinstance(each, list) else [each])]
    kinds = _KINDS.get(tensor.datatype, (int,))
    wrong = any(
        each is not None
        and (type(each) not in kinds or (isinstance(each, int) and abs(each) >= 2**64))
        for each in flat
    )
    if wrong or len(flat) != math.prod(tensor.shape):
        detail = f"{math.prod(tensor.shape)} elements of {tensor.datatype}, as its shape says."
        raise faulty(pointer_to((*where, "data")), detail)
    if tensor.datatype in _FLOATS:
        return [each if each is None else float(each) for each in flat]
    return flat


def _columns(
    tensor: Tensor, values: list[Any], where: Where, *, answer: bool
) -> list[tuple[str, list[Any]]]:
    """The columns of a tensor with their names; the columns of an answer stay together."""
    batch = tensor.shape[0] if tensor.shape else 0
    width = len(values) // batch if batch else 0
    if not width:
        return [(tensor.name, [[]] * batch)]
    names = _names(tensor, width, where)
    if width == 1:
        return [(names[0] if names else tensor.name, values)]
    if not answer and len(tensor.shape) == 2 and width <= MOST_COLUMNS:
        names = names or [f"{tensor.name}_{place}" for place in range(width)]
        return [(name, values[place::width]) for place, name in enumerate(names)]
    rows = [values[start : start + width] for start in range(0, len(values), width)]
    if names and answer and tensor.datatype in _FLOATS:
        return [(tensor.name, [dict(zip(names, row, strict=True)) for row in rows])]
    return [(tensor.name, [_nested(row, tensor.shape[1:]) for row in rows])]


def _names(tensor: Tensor, width: int, where: Where) -> list[str]:
    said = (tensor.parameters or {}).get("columns")
    if said is None:
        return []
    told = said.split(",") if isinstance(said, str) else said
    good = isinstance(told, list) and all(isinstance(name, str) for name in told)
    names = [name.strip() for name in told] if good else []
    if not len(names) == len(set(names)) == width:
        pointer = pointer_to((*where, "parameters", "columns"))
        raise faulty(pointer, f"{width} different names: a list, or text with commas.")
    return names


def _nested(row: list[Any], shape: list[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        row = [row[start : start + size] for start in range(0, len(row), size)]
    return row
