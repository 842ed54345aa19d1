"""The short form of chaos, and the negative controls that take less than a minute."""

import json
import logging
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.chaos import matrix
from tests.chaos.campaign import Plan, Report, run
from tests.chaos.controls import CONTROLS
from tests.chaos.fault import Chaos, Fault

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos")]

# The others: make chaos CHAOS="--control all"
SHORT_CONTROLS = ("no_idempotency_key", "read_check_write", "unordered_locks", "no_body_limit")
# They depend on the machine: `make chaos` judges them.
MEASURED = {"late", "memory", "others", "recovery"}
SHORT_SECONDS, CONTROL_SECONDS, HANG_SECONDS = 600.0, 300.0, 3.0
log = logging.getLogger(__name__)


def log_progress(what: str, chaos: Chaos) -> None:
    log.info("%s: acknowledged %d", what, chaos.load.log.counts.total())


async def test_chaos_in_its_short_form_breaks_no_promise(prepared_service_folder: Path) -> None:
    def faults(_chance: random.Random) -> Iterable[Fault]:
        return matrix.short_form()

    plan = Plan(faults, SHORT_SECONDS, hang_seconds=HANG_SECONDS, prepared=prepared_service_folder)
    report = await run(plan, log_progress)
    log.info("%s", json.dumps(report))
    assert [broken for broken in report["broken"] if broken["promise"] not in MEASURED] == []
    assert report["runs"].keys() == {fault.row for fault in matrix.FAULTS if fault.short}
    assert min(count["acknowledged"] for count in report["kinds"].values()) > 0


@pytest.mark.parametrize("name", SHORT_CONTROLS)
async def test_chaos_reports_a_service_broken_on_purpose(
    name: str, prepared_service_folder: Path
) -> None:
    control = CONTROLS[name]

    def faults(_chance: random.Random) -> Iterable[Fault]:
        return matrix.of_rows(*control.faults)

    plan = Plan(
        faults,
        CONTROL_SECONDS,
        control=control,
        hang_seconds=HANG_SECONDS,
        prepared=prepared_service_folder,
    )
    report: Report = await run(plan, log_progress)
    assert report["control_is_reported"], json.dumps(report["broken"])
