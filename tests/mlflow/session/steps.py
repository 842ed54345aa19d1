"""Steps of the session: how they are declared, run, and how refusals become values."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

os.environ.update(  # before MLflow is imported
    MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
    DO_NOT_TRACK="true",
    LOGNAME="ada",
)

import mlflow
import requests
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

MAJOR = int(mlflow.__version__.split(".")[0])
Call = Callable[..., Any]


class Session:
    """The client, names of this session's own, and the status of the last answer.

    All names that are unique in a deployment begin with ``prefix``.
    """

    def __init__(self) -> None:
        self.client = mlflow.MlflowClient()
        self.prefix = f"s{uuid.uuid4().hex[:8]}"
        self.status: int | None = None
        self._note_each_status()

    def _note_each_status(self) -> None:
        """The client's errors keep no status, so that it is noted below the client."""
        send = requests.Session.send

        def noted(*args: Any, **options: Any) -> requests.Response:
            answer = send(*args, **options)
            self.status = answer.status_code
            return answer

        requests.Session.send = noted

    @cached_property
    def experiment(self) -> str:
        """Id of an experiment for all runs of which no step counts the neighbours."""
        return self.new_experiment("common")

    def name(self, suffix: str) -> str:
        return f"{self.prefix}-{suffix}"

    def new_experiment(self, suffix: str, **options: Any) -> str:
        return str(self.client.create_experiment(self.name(suffix), **options))

    def new_run(self, experiment: str | None = None, **options: Any) -> str:
        """Create a run and return its id."""
        options.setdefault("run_name", "fit")
        return str(self.client.create_run(experiment or self.experiment, **options).info.run_id)

    def run(self, run_id: str) -> Run:
        return self.client.get_run(run_id)

    def attempt(self, call: Call, *args: Any, **options: Any) -> Any:
        """Return "accepted", or how the call was refused; without status it never left the client.

        The text of a refusal is the server's own.
        """
        self.status = None
        try:
            call(*args, **options)
        except MlflowException as refusal:
            return {"error": refusal.error_code, "status": self.status}
        except Exception as error:
            return {"raised": type(error).__name__}
        return "accepted"


class Step(NamedTuple):
    """A step, the client's version it begins with, and where MLflow's own server is wrong.

    ``right`` is what it must return where ``differs`` gives the reason.
    """

    area: str
    name: str
    call: Callable[[Session], Any]
    since: int
    differs: str
    right: Any


STEPS: list[Step] = []


def step(
    *, since: int = 2, differs: str = "", right: Any = None
) -> Callable[[Callable[[Session], Any]], Callable[[Session], Any]]:
    """Declare a step; its area is its module and its name that of the function."""

    def declare(call: Callable[[Session], Any]) -> Callable[[Session], Any]:
        area = call.__module__.rpartition(".")[2]
        STEPS.append(Step(area, call.__name__, call, since, differs, right))
        return call

    return declare


def results(session: Session) -> Iterator[tuple[Step, Any]]:
    """Run the steps that this client knows, in the order of their declaration."""
    for this in STEPS:
        if this.since <= MAJOR:
            session.status = None
            try:
                value = this.call(session)
            except Exception as error:
                print(f"{this.area} {this.name}: {error}", file=sys.stderr)  # noqa: T201
                value = {"failed": getattr(error, "error_code", type(error).__name__)}
            yield this, value
