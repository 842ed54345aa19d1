"""Ids as MLflow's clients write them."""

from uuid import UUID

import pytest

from service.core.errors import NotFound
from service.relational.experiments.tables import DEFAULT_ID
from service.relational.mlflow.ids import (
    experiment_id,
    experiment_text,
    known_ids,
    model_id,
    model_text,
    run_id,
)

ID = UUID("01930d6e-7a00-7000-8000-000000000001")


def test_id_is_read_as_it_is_written() -> None:
    assert experiment_id(experiment_text(ID)) == run_id(ID.hex) == model_id(model_text(ID)) == ID
    assert (experiment_id("0"), experiment_text(DEFAULT_ID)) == (DEFAULT_ID, "0")


def test_id_with_hyphens_is_read() -> None:
    assert run_id(str(ID)) == experiment_id(str(ID).upper()) == model_id(f"m-{ID}") == ID


@pytest.mark.parametrize(
    "text", ["", "1", "x" * 32, f"{{{ID.hex}}}", f"urn:uuid:{ID}", "é" * 32, f"{ID.hex}0", "0" * 31]
)
def test_text_that_is_no_id_is_unknown(text: str) -> None:
    for read in (experiment_id, run_id, model_id):
        with pytest.raises(NotFound):
            read(text)
    assert known_ids([text, "0"]) == [DEFAULT_ID]


def test_model_without_its_prefix_is_unknown() -> None:
    with pytest.raises(NotFound):
        model_id(ID.hex)
