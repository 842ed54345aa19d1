"""Faults of a response to a hostile request."""

import json
from collections.abc import Container

from tests.fuzz.hostile_values import CANARY
from tests.fuzz.wire import Answer

MAX_PROBLEM_BYTES = 4096
MAX_SECONDS = 2.0


def faults_of(answer: Answer, documented: Container[str]) -> list[str]:
    """Return the faults of a response; ``documented`` has the statuses of the operation."""
    if answer.status == 0:
        return ["the connection ended without a response"]
    faults = [f"took more than {MAX_SECONDS} s"] if answer.seconds > MAX_SECONDS else []
    if answer.status >= 500 and not (answer.status == 503 and "503" in documented):
        faults.append(f"status {answer.status}")
    if answer.status >= 400:
        faults += _faults_of_problem(answer)
    return faults


def _faults_of_problem(answer: Answer) -> list[str]:
    faults = []
    if answer.headers.get("content-type") != "application/problem+json":
        return [f"{answer.status} is no problem+json"]
    if len(answer.body) >= MAX_PROBLEM_BYTES:
        faults.append(f"the problem has {len(answer.body)} bytes")
    try:
        problem = json.loads(answer.body)
    except ValueError:
        return [*faults, "the problem is no JSON"]
    faults += [
        f"the problem has no {name}" for name in ("code", "request_id") if not problem.get(name)
    ]
    if problem.get("status") != answer.status:
        faults.append("the problem has another status")
    problem.pop("instance", None)  # the address, as it was sent
    if CANARY in json.dumps(problem):
        faults.append("the problem repeats a value")
    return faults
