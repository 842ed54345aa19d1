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
    **dict.fromkeys(
        ("unsupported_method", "allow_header_conformance"),
        "GET on /v1/users/bulk is that of /v1/users/{user_id}: 422 for the id",
    ),
}
# An invalid item of a batch is refused by itself.
REFUSED = [207, 400, 401, 403, 404, 405, 406, 409, 415, 422, 428, 429, "5xx"]
# It writes no NDJSON; our own cases do.
NOT_WRITTEN = ("predictions_stream", "labels_stream", "products_import")


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
    rejection = {"negative_data_rejection": {"expected-statuses": REFUSED}}
    config = SchemathesisConfig.from_dict(
        {"seed": seed, "headers": dict(headers), "checks": rejection}
    )
    project = config.projects.override
    project.phases.update(phases=["examples", "coverage", "fuzzing"])
    project.checks.update(excluded_check_names=list(EXCLUDED))
    project.generation.update(max_examples=examples, database="none")
    project.update(continue_on_failure=True)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    left_out = [*ENDLESS, *NOT_WRITTEN]
    chosen = schema.include(operation_id=only) if only else schema.exclude(operation_id=left_out)
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
