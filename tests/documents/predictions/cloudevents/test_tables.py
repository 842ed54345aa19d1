"""Tables of model servers other than V2: the rows that their requests and responses become."""

import json
from typing import Any

import pytest

from service.core.errors import ServiceError
from service.documents.predictions.cloudevents.inference_protocol import combine, read_message

ROWS = [{"age": 30, "plan": "a"}, {"age": 40, "plan": "b"}]
FLAT = [[30, "a"], [40, "b"]]
DATA_ROWS = [{"data_0": 1, "data_1": 2}, {"data_0": 3, "data_1": 4}]
INPUT_ROWS = [{"inputs_0": 1, "inputs_1": 2}, {"inputs_0": 3, "inputs_1": 4}]
TENSOR = {"shape": [2, 2], "values": [1, 2, 3, 4]}
IMAGE = {"shape": [1, 2, 2], "values": [1, 2, 3, 4]}
SPLIT = "/data/dataframe_split"


def _rows(data: Any, *, is_response: bool = False) -> Any:
    return read_message(json.dumps(data).encode(), is_response=is_response).rows


@pytest.mark.parametrize(
    "data",
    [
        {"instances": ROWS},
        {"inputs": {"age": [30, 40], "plan": ["a", "b"]}},
        {"inputs": ROWS},
        {"dataframe_records": ROWS},
        {"dataframe_split": {"columns": ["age", "plan"], "index": [7, 9], "data": FLAT}},
        {"input_data": {"columns": ["age", "plan"], "data": FLAT}},
        {"data": {"age": [30, 40], "plan": ["a", "b"]}},
        {"data": {"names": ["age", "plan"], "ndarray": FLAT}},
        ROWS,
    ],
)
def test_table_with_names_becomes_rows(data: Any) -> None:
    assert _rows(data) == ROWS


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"data": {"ndarray": [[1, 2], [3, 4]]}}, DATA_ROWS),
        ({"data": {"tensor": TENSOR}}, DATA_ROWS),
        ({"data": {"names": ["a", "b"], "tensor": TENSOR}}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ({"data": {"names": ["f0", "f1"], "ndarray": [0.77, 0.63]}}, [{"f0": 0.77, "f1": 0.63}]),
        ({"data": {"ndarray": [[[1], [2]]]}}, [{"data": [[1], [2]]}]),
        ({"data": {"tensor": IMAGE}}, [{"data": [[1, 2], [3, 4]]}]),
        ({"inputs": [[1, 2], [3, 4]]}, INPUT_ROWS),
        ({"inputs": {"age": 30, "plan": "a"}}, [{"age": 30, "plan": "a"}]),
        ({"inputs": {"image": [[1, 2], [3, 4]]}}, [{"image": [1, 2]}, {"image": [3, 4]}]),
        ({"data": {"a": [1, 2], "b": [3]}}, [{"a": [1, 2], "b": [3]}]),
        ({"data": [[1, 2], [3, 4]]}, DATA_ROWS),
        ({"dataframe_split": {"columns": [0, 1], "data": [[1, None]]}}, [{"0": 1, "1": None}]),
        ({"instances": {"a": [1, 2]}}, [{"a": 1}, {"a": 2}]),
    ],
)  # fmt: skip
def test_table_without_names_or_with_one_row_becomes_rows(data: Any, rows: Any) -> None:
    assert _rows(data) == rows


@pytest.mark.parametrize(
    ("response", "outputs"),
    [
        ({"predictions": [1, 0]}, [{"label": 1}, {"label": 0}]),
        ([11055.5, 4503.25], [{"value": 11055.5}, {"value": 4503.25}]),
        ([{"0": 1}, {"0": 0}], [{"label": 1}, {"label": 0}]),
        (
            {"outputs": {"classes": ["x", "y"], "scores": [[0.5, 0.25], [0.75, 1.0]]}},
            [{"label": "x", "scores": [0.5, 0.25]}, {"label": "y", "scores": [0.75, 1.0]}],
        ),
        (
            {"data": {"names": ["cat", "dog"], "ndarray": [[0.25, 0.75], [1.0, 0.0]]}},
            [{"scores": {"cat": 0.25, "dog": 0.75}}, {"scores": {"cat": 1.0, "dog": 0.0}}],
        ),
        (
            {"data": {"names": ["value", "score"], "ndarray": [[7.5, 0.5], [8.5, 0.25]]}},
            [{"value": 7.5, "score": 0.5}, {"value": 8.5, "score": 0.25}],
        ),
        (
            {"data": {"names": ["proba"], "ndarray": [[0.5], [0.25]]}},
            [{"value": 0.5}, {"value": 0.25}],
        ),
        (
            {"data": {"ndarray": [[0.5, 0.5], [1.0, 0.0]]}},
            [{"scores": [0.5, 0.5]}, {"scores": [1.0, 0.0]}],
        ),
        ({"data": {"ndarray": [["cat"], ["dog"]]}}, [{"label": "cat"}, {"label": "dog"}]),
    ],
)  # fmt: skip
def test_response_of_other_servers_has_an_output_per_row(response: Any, outputs: Any) -> None:
    request = read_message(json.dumps({"instances": ROWS}).encode(), is_response=False)
    answer = read_message(json.dumps(response).encode(), is_response=True)
    assert combine(request, answer) == list(zip(ROWS, outputs, strict=True))


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (7, "/data"),
        ([], "/data"),
        ({"instances": 7}, "/data"),
        ({"predictions": [1]}, "/data"),
        ({"text": "hello"}, "/data"),
        ({"data": [1] * 1001}, "/data/data"),
        ([[1]] * 1001, "/data"),
        ({"data": {"a": [1] * 1001}}, "/data/data"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}, f"{SPLIT}/data/1"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, f"{SPLIT}/columns"),
        ({"dataframe_split": {"columns": "ab", "data": [[1, 2]]}}, f"{SPLIT}/columns"),
        ({"data": {"ndarray": 7}}, "/data/data/ndarray"),
        ({"data": {"names": ["a", "a"], "ndarray": [[1, 2]]}}, "/data/data/names"),
        ({"data": {"tensor": {"shape": [2, 2], "values": [1]}}}, "/data/data/tensor"),
        ({"data": {"tensor": {"shape": [True], "values": [1]}}}, "/data/data/tensor"),
        ({"data": {"tensor": {"shape": [], "values": [1]}}}, "/data/data/tensor"),
        ({"data": {"tensor": 7}}, "/data/data/tensor"),
        ({"data": {"tftensor": {}}}, "/data/data/tftensor"),
        ({"dataframe_records": [{"_outputs": 1}]}, "/data/dataframe_records/0/_outputs"),
    ],
)  # fmt: skip
def test_table_malformed_is_refused_with_its_place(data: Any, pointer: str) -> None:
    with pytest.raises(ServiceError) as raised:
        _rows(data)
    assert raised.value.status == 422
    assert raised.value.errors[0]["pointer"] == pointer
