"""The service keeps what its OpenAPI document promises, whatever it is sent.

``make test`` sends each operation one request of each kind: each kind of mistake in each parameter
and in the body, valid values, one random request. ``make test-all`` sends all that is generated.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis.internal import lambda_sources
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from schemathesis import Response
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.case import Case
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario
from schemathesis.hooks import HookContext
from schemathesis.python import asgi
from schemathesis.schemas import BaseSchema

from service.auth import passwords
from service.main import State, create_app
from service.settings import Settings
from tests.auth.factories import create_user
from tests.fixtures.client import statuses_of

pytestmark = pytest.mark.openapi

CHECKS = [
    "not_a_server_error",
    "named_status",
    "response_schema_conformance",
    "response_headers_conformance",
]
PHASES = ["examples", "coverage", "fuzzing"]
# A method on /v1/users/bulk that only /v1/users/{user_id} has is refused for the id, with 422.
SEED = 20261120
# Random requests for each operation.
FEW, ALL = 1, 4
AMOUNTS = [pytest.param(FEW, id="few"), pytest.param(ALL, id="all", marks=pytest.mark.generators)]
# Tags whose operations need what the others create stand together: responses feed later requests.
FEATURES = (
    "access", "users", "tags posts comments", "catalog orders reports", "accounts transfers",
    "projects experiments artifacts", "registry", "items", "predictions retention models",
    "health",
)  # fmt: skip
STREAMS = [
    "/v1/predictions/stream",  # NDJSON has tests of its own
    "/v1/labels/stream",
    "/v1/products/import",
    "/v1/predictions/tail",  # it has no end
]


@schemathesis.check
def named_status(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Refuse a status that neither the operation nor ``default`` names.

    405 is the answer to a method that the path does not have. To GET, the path may be that of a
    prediction, whose id may have a slash.
    """
    known = statuses_of(case.operation.definition.raw) | {"405"}
    if case.method == "GET" != case.operation.method.upper():
        known |= {"404"}
    assert str(response.status_code) in known, f"{response.status_code} is not in {sorted(known)}"


@pytest.fixture(scope="module")
def served(app: FastAPI, settings: Settings) -> Iterator[FastAPI]:
    """The application, which schemathesis starts in a thread of its own."""
    limits = {"rate_address": "1000000/minute", "rate_login": "1000000/minute"}
    served = create_app(settings.model_copy(update=limits))
    served.openapi = app.openapi  # type: ignore[method-assign] # the same; each takes a second
    yield served
    asgi.shutdown_lifespans()


@pytest.fixture
def cheap_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without what costs seconds: proxies, strong hashes, the source of Hypothesis's lambdas."""
    monkeypatch.setattr(requests.sessions, "get_environ_proxies", lambda *_, **__: {})
    monkeypatch.setattr(requests.sessions, "get_netrc_auth", lambda _url: None)
    monkeypatch.setattr(lambda_sources, "_lambda_description", lambda _f: "lambda: <unknown>")
    hasher = Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1)
    monkeypatch.setattr(passwords, "_HASH", PasswordHash((hasher,)))


def schema_of(app: FastAPI, headers: dict[str, str], amount: int) -> BaseSchema:
    own = {"headers": headers, "analysis": {"constants": {"enabled": False}}}
    config = SchemathesisConfig.from_dict({"seed": SEED, **own})
    project = config.projects.override
    project.phases.update(phases=PHASES)
    project.checks.update(included_check_names=CHECKS)
    project.generation.update(max_examples=amount, database="none")
    project.update(continue_on_failure=True)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    if amount == FEW:
        schema.hook("filter_case")(first_of_its_kind())
    return schema


def first_of_its_kind() -> Callable[[HookContext, Case[Any]], bool]:
    """Return a filter of the coverage phase, three quarters of which are variants.

    A request is of the same kind as another if both have the same mistake, or the same sort of
    valid value, in the same parameter; of methods that a path does not have, one is enough.
    """
    sent_kinds = set[Hashable]()

    def is_new(_context: HookContext, case: Case[Any]) -> bool:
        data = None if case.meta is None else case.meta.phase.data
        if case.meta is None or not isinstance(data, CoveragePhaseData):
            return True
        kind: Hashable = (
            *(case.operation.label, case.meta.generation.mode, data.scenario),
            *(data.parameter_location, data.parameter),
        )
        if data.scenario is CoverageScenario.UNSPECIFIED_HTTP_METHOD:
            kind = case.operation.path
        is_first = kind not in sent_kinds
        sent_kinds.add(kind)
        return is_first

    return is_new


def failures_of(schema: BaseSchema) -> list[str]:
    """Send what is generated for the operations; return what is wrong with the answers."""
    failures, scenarios = [], 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            failures.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            scenarios += 1
            assert event.status is not Status.INTERRUPTED
            failures += [
                f"{event.label}: {check.failure_info.failure.message}\n"
                f"{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
    assert scenarios, "nothing was sent"
    return failures


def test_openapi_every_tag_belongs_to_one_feature(app: FastAPI) -> None:
    tags = [
        tag
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for tag in operation["tags"]
    ]
    assert sorted(" ".join(FEATURES).split()) == sorted(set(tags))


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("feature", FEATURES)
async def test_openapi_administrator_meets_only_documented_answers(
    feature: str,
    amount: int,
    served: FastAPI,
    state: State,
    reset_stores: None,
    cheap_requests: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    headers = (await create_user(state, "admin")).headers
    schema = schema_of(served, headers, amount).include(tag=feature.split()).exclude(path=STREAMS)
    assert failures_of(schema) == []
    assert "unforeseen" not in capfd.readouterr().out


@pytest.mark.parametrize("amount", AMOUNTS)
def test_openapi_anonymous_caller_gets_only_documented_responses(
    amount: int,
    served: FastAPI,
    reset_stores: None,
    cheap_requests: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Request the open operations; test_access checks that all others respond 401."""
    open_to_all = ["auth_token", "auth_revoke", "users_create", "livez", "readyz"]
    schema = schema_of(served, {}, amount).include(operation_id=open_to_all)
    assert failures_of(schema) == []
    assert "unforeseen" not in capfd.readouterr().out
