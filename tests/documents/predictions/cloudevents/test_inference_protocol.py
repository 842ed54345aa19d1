"""Features and outputs that the messages of a model server become."""

import json
from typing import Any

import pytest

from service.core.errors import ServiceError
from service.documents.predictions.cloudevents.inference_protocol import combine, read_message


def _tensor(name: str, shape: list[int], datatype: str, data: list[Any], **more: Any) -> Any:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


def _pairs(request: Any, response: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return combine(
        read_message(json.dumps(request).encode(), is_response=False),
        read_message(json.dumps(response).encode(), is_response=True),
    )


def _features(*inputs: Any, rows: int = 1) -> list[dict[str, Any]]:
    response = {"outputs": [_tensor("o", [rows], "FP32", [0.5] * rows)]}
    return [features for features, _ in _pairs({"inputs": inputs}, response)]


def _outputs(*outputs: Any, rows: int = 1) -> list[tuple[Any, Any]]:
    request = {"inputs": [_tensor("i", [rows], "INT8", [1] * rows)]}
    return [
        (output, features.get("_outputs"))
        for features, output in _pairs(request, {"outputs": outputs})
    ]


def test_tensor_with_one_value_per_row_is_one_feature() -> None:
    inputs = (
        _tensor("a", [2], "FP32", [1, 2.5]),
        _tensor("b", [2, 1], "BYTES", [["x"], ["y"]]),
        _tensor("c", [2, 1, 1], "BOOL", [True, None]),
    )
    features = _features(*inputs, rows=2)
    assert features == [{"a": 1.0, "b": "x", "c": True}, {"a": 2.5, "b": "y", "c": None}]
    assert type(features[0]["a"]) is float


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        (None, ["x_0", "x_1"]),
        ({"columns": ["age", "income"]}, ["age", "income"]),
        ({"columns": "age, income"}, ["age", "income"]),
        ({"content_type": "np"}, ["x_0", "x_1"]),
    ],
)
def test_tensor_with_columns_is_one_feature_per_column(parameters: Any, names: list[str]) -> None:
    tensor = _tensor("x", [2, 2], "INT64", [1, 2, 3, 4], parameters=parameters)
    first, second = _features(tensor, rows=2)
    assert first == dict(zip(names, (1, 2), strict=True))
    assert second == dict(zip(names, (3, 4), strict=True))


def test_tensor_takes_nan_for_missing_text_and_integers_as_floats() -> None:
    text = _tensor("plan", [2], "BYTES", ["a", float("nan")])
    large = _tensor("n", [2], "FP64", [10**20, float("inf")])
    assert repr(_features(text, large, rows=2)) == (
        "[{'plan': 'a', 'n': 1e+20}, {'plan': nan, 'n': inf}]"
    )


def test_tensor_with_many_dimensions_or_columns_stays_a_list() -> None:
    image = _tensor("image", [2, 2, 2], "UINT8", [1, 2, 3, 4, 5, 6, 7, 8])
    assert _features(image, rows=2)[1] == {"image": [[5, 6], [7, 8]]}
    wide = _tensor("wide", [1, 2001], "UINT8", [0] * 2001)
    assert _features(wide) == [{"wide": [0] * 2001}]
    assert _features(_tensor("none", [2, 0], "UINT8", []), rows=2) == [{"none": []}] * 2


def test_tensors_without_a_common_batch_are_one_prediction() -> None:
    sample = _tensor("sample", [3], "FP64", [1.5, 2.5, 3.5])
    assert _features(sample) == [{"sample": [1.5, 2.5, 3.5]}]
    two = (sample, _tensor("other", [1], "INT8", [7]))
    assert _features(*two) == [{"sample": [1.5, 2.5, 3.5], "other": [7]}]
    boxes = _tensor("boxes", [2, 2], "FP32", [0.0, 0.1, 0.2, 0.3])
    assert _outputs(boxes) == [({}, {"boxes": [0.0, 0.1, 0.2, 0.3]})]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (_tensor("predict", [1], "INT64", [2]), {"label": 2}),
        (_tensor("predict", [1, 1], "BOOL", [[True]]), {"label": True}),
        (_tensor("predict", [1], "BYTES", ["cat"]), {"label": "cat"}),
        (_tensor("predict", [1], "FP32", [0.5]), {"value": 0.5}),
        (_tensor("predict", [1, 2], "FP32", [0.5, 1]), {"scores": [0.5, 1.0]}),
        (_tensor("probability", [1], "FP32", [1]), {"score": 1.0}),
        (_tensor("Score", [1], "FP32", [0.5]), {"score": 0.5}),
        (_tensor("value", [1], "INT32", [7]), {"value": 7}),
        (_tensor("label", [1], "FP32", [0.5]), {"value": 0.5}),
        (_tensor("scores", [1, 2], "INT8", [0, 1]), {"scores": [0, 1]}),
        (
            _tensor("p", [1, 2], "FP32", [0.5, 1], parameters={"columns": "cat,dog"}),
            {"scores": {"cat": 0.5, "dog": 1.0}},
        ),
    ],
)
def test_output_goes_to_the_field_of_its_name_or_type(output: Any, expected: Any) -> None:
    assert _outputs(output) == [(expected, None)]


def test_output_without_a_field_is_stored_unchanged() -> None:
    outputs = _outputs(
        _tensor("a", [1], "INT8", [1]),
        _tensor("b", [1], "INT8", [2]),
        _tensor("tags", [1, 2], "BYTES", ["x", "y"]),
        _tensor("text", [1], "BYTES", ["x" * 201]),
        _tensor("grid", [1, 2, 2], "FP32", [0, 1, 2, 3]),
        _tensor("none", [1], "FP32", [None]),
    )
    unmapped = {"b": 2, "tags": ["x", "y"], "text": "x" * 201, "grid": [[0.0, 1.0], [2.0, 3.0]]}
    assert outputs == [({"label": 1}, unmapped)]


def test_v1_values_decide_the_fields() -> None:
    request = {"instances": [{"age": 30, "plan": "a"}, [1, 2.5], 7, [[1], [2]]]}
    response = {"predictions": [1, 0.5, [0.25, 0.75], {"label": "cat", "score": 0.5, "box": [1]}]}
    assert _pairs(request, response) == [
        ({"age": 30, "plan": "a"}, {"label": 1}),
        ({"instances_0": 1, "instances_1": 2.5}, {"value": 0.5}),
        ({"instances": 7}, {"scores": [0.25, 0.75]}),
        ({"instances": [[1], [2]], "_outputs": {"box": [1]}}, {"label": "cat", "score": 0.5}),
    ]


@pytest.mark.parametrize(
    ("tensor", "pointer"),
    [
        (_tensor("x", [2], "INT8", [1]), "/data/inputs/0/data"),
        (_tensor("x", [1], "INT8", [1.5]), "/data/inputs/0/data"),
        (_tensor("x", [1], "INT8", [True]), "/data/inputs/0/data"),
        (_tensor("x", [1], "BYTES", [1]), "/data/inputs/0/data"),
        (_tensor("x", [1], "FP32", ["1"]), "/data/inputs/0/data"),
        (_tensor("x", [1], "FP32", [10**400]), "/data/inputs/0/data"),
        (_tensor("x", [1], "FP32", [{}]), "/data/inputs/0/data"),
        (_tensor("x", [1], "INT8", [[[[[[[[[[[1]]]]]]]]]]]), "/data/inputs/0/data"),
        (_tensor("x", [2**62, 2**62], "INT8", [1]), "/data/inputs/0/data"),
        (_tensor("x", [1001], "INT8", [1] * 1001), "/data/inputs/0/shape"),
        (_tensor("x", [-1], "INT8", [1]), "/data/inputs/0/shape"),
        (_tensor("x", [10**600] * 8, "INT8", [1]), "/data/inputs/0/shape"),
        (_tensor("x", [1] * 9, "INT8", [1]), "/data/inputs/0/shape"),
        (_tensor("", [1], "INT8", [1]), "/data/inputs/0/name"),
        (_tensor("_outputs", [1], "INT8", [1]), "/data/inputs/0/name"),
        (_tensor("x", [1], "INT4", [1]), "/data/inputs/0/datatype"),
        (_tensor("x", [1, 2], "INT8", [1, 2], parameters={"columns": "a"}), "/data/inputs/0/para"),
        (_tensor("x", [1, 2], "INT8", [1, 2], parameters={"columns": [1, 2]}), "/data/inputs/0/pa"),
        (_tensor("x", [1, 2], "INT8", [1, 2], parameters={"columns": "a,b,b"}), "/data/inputs/0/p"),
        ({"name": "x", "shape": [1], "datatype": "INT8"}, "/data/inputs/0"),  # binary data
    ],
)
def test_tensor_invalid_is_rejected_with_a_pointer(tensor: Any, pointer: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read_message(json.dumps({"inputs": [tensor]}).encode(), is_response=False)
    assert raised.value.status == 422
    assert raised.value.errors[0]["pointer"].startswith(pointer)


def test_tensors_with_one_name_are_rejected() -> None:
    same = _tensor("x", [1], "INT8", [1])
    columns = (_tensor("x", [1, 2], "INT8", [1, 2]), _tensor("x_1", [1], "INT8", [1]))
    for inputs in ((same, same), columns):
        with pytest.raises(ServiceError) as raised:
            read_message(json.dumps({"inputs": inputs}).encode(), is_response=False)
        assert raised.value.errors[0]["pointer"] == "/data/inputs/1/name"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 50_000, b'{"inputs": nan}', b"[1e400]"]
)
def test_data_that_is_not_json_is_rejected(data: bytes) -> None:
    with pytest.raises(ServiceError) as raised:
        read_message(data, is_response=False)
    assert raised.value.status == 400


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_number_that_is_not_finite_is_read_as_json_dumps_writes_it(text: str) -> None:
    tensor = {"name": "x", "shape": [2], "datatype": "FP64", "data": [float(text), 1.5]}
    for data in ({"instances": [float(text), 1.5]}, {"inputs": [tensor]}):
        message = read_message(json.dumps(data).encode(), is_response=False)
        assert [repr(value) for row in message.rows or [] for value in row.values()] == [
            repr(float(text)),
            "1.5",
        ]
