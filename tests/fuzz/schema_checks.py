"""Requests that schemathesis generates from the OpenAPI document, with its checks."""

from collections.abc import Mapping

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.fuzz.cases import ENDLESS

# The checks left out, and why.
EXCLUDED = {
    "positive_data_acceptance": "a cursor is signed, `fields` names fields, If-Match must hold: a "
    "schema cannot express this, so that random text is a documented 400, 412 or 422",
}


def schema_failures(
    url: str, headers: Mapping[str, str], *, seed: int, examples: int, only: str | None = None
) -> list[str]:
    """Send what is generated; return each failure with the command that repeats it.

    Args:
        url: the address of the service.
        headers: the credentials of an administrator.
        seed: of the random requests.
        examples: random requests for each operation.
        only: the one operation to request.
    """
    config = SchemathesisConfig.from_dict({"seed": seed, "headers": dict(headers)})
    project = config.projects.override
    project.phases.update(phases=["examples", "coverage", "fuzzing"])
    project.checks.update(excluded_check_names=list(EXCLUDED))
    project.generation.update(max_examples=examples, database="none")
    project.update(continue_on_failure=True)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    chosen = (
        schema.include(operation_id=only) if only else schema.exclude(operation_id=list(ENDLESS))
    )
    failures = []
    for event in from_schema(chosen).execute():
        if isinstance(event, events.NonFatalError):
            failures.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            failures += [
                f"{event.label}: {check.name}: {check.failure_info.failure.message}\n"
                f"{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
    return failures
