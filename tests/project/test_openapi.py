"""The service keeps what its OpenAPI document promises, whatever it is sent."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.service import running_service

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"
# A method on /v1/users/bulk that only /v1/users/{user_id} has is refused for the id, with 422.
CASES, SEED = 4, 20261120


@pytest.mark.parametrize("who", ["nobody", "administrator"])
def test_generated_requests_meet_only_documented_answers(tmp_path: Path, who: str) -> None:
    with running_service(tmp_path) as service:
        credentials = service.administrator if who == "administrator" else {}
        result = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                "run",
                f"{service.url}/openapi.json",
                f"--checks={CHECKS}",
                f"--max-examples={CASES}",
                f"--seed={SEED}",
                "--phases=examples,coverage,fuzzing",
                "--continue-on-failure",
                "--exclude-path=/v1/predictions/stream",  # NDJSON has tests of its own
                "--exclude-path=/v1/labels/stream",
                "--exclude-path=/v1/products/import",
                "--exclude-path=/v1/predictions/tail",  # it has no end
                *[f"--header={name}: {value}" for name, value in credentials.items()],
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        unforeseen = service.log.read_text()
    assert result.returncode == 0, result.stdout[-6000:]
    assert "unforeseen" not in unforeseen
