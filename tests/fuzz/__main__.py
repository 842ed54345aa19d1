"""Send hostile requests to a service of its own, on own engines in a temporary folder.

    python -m tests.fuzz --cases 10000 --seed 7 --only items_create --report fuzz.json

Valid bodies, addresses, queries and headers of all operations are changed, then schemathesis
generates requests from the OpenAPI document. No response may be a 5xx other than a documented 503;
an error is a small problem that repeats no value, within 2 s. Afterwards the service must be ready
with nothing in use. Each failure is printed with Python that sends it again. The exit code is 1
after a failure. Takes about 3 minutes on 2 idle cores.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tests.fixtures.service import RunningService, running_service
from tests.fuzz.cases import generated, operations_of
from tests.fuzz.objects import Objects
from tests.fuzz.run import Run, report_of, wait_for_rest
from tests.fuzz.schema_checks import schema_failures

# Limits that a run would reach, and a token that outlives it.
ENVIRONMENT = {
    **{
        f"POLYSTORE_RATE_{name}": "1000000/second"
        for name in ("CALLER", "ADDRESS", "LOGIN", "GUESS")
    },
    "POLYSTORE_ACCESS_TOKEN_SECONDS": "86400",
}


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", type=int, default=10_000, help="changed requests")
    parser.add_argument(
        "--examples", type=int, default=4, help="of schemathesis, by operation; 0: none"
    )
    parser.add_argument(
        "--seed", type=int, default=20261127, help="the same seed, the same requests"
    )
    parser.add_argument("--only", help="operationId of the one operation to request")
    parser.add_argument("--report", type=Path, help="file for the JSON report; else it is printed")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="polystore-fuzz-") as folder,
        running_service(Path(folder), **ENVIRONMENT) as service,
    ):
        text, failed = fuzz(service, options)
    if options.report is None:
        print(text)  # noqa: T201 - a program
    else:
        options.report.write_text(text)
    return int(failed)


def fuzz(service: RunningService, options: argparse.Namespace) -> tuple[str, bool]:
    """Run against a started service; return the report and whether anything failed."""
    began, headers = time.monotonic(), service.administrator
    run = Run(urlsplit(service.url).port or 80)
    with httpx2.Client(base_url=service.url, headers=headers, timeout=30) as client:
        operations = [
            operation
            for operation in operations_of(client.get("/openapi.json").json())
            if options.only in (None, operation.name)
        ]
        if not operations:
            sys.exit(f"There is no operation {options.only}.")
        cases = generated(operations, Objects(client), headers, options.seed, options.cases)
        asyncio.run(run.send_all(cases))
        schema = []
        if options.examples:
            schema = schema_failures(
                service.url,
                headers,
                seed=options.seed,
                examples=options.examples,
                only=options.only,
            )
        rest = wait_for_rest(client)
    report = report_of(run, options.seed, time.monotonic() - began, rest, schema)
    return report, bool(run.failures or rest or schema)


if __name__ == "__main__":
    sys.exit(main())
