"""The command line of chaos: exit code 0 if every promise holds, 1 if one was broken."""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from tests.chaos import matrix
from tests.chaos.campaign import OnProgress, Plan, Report, run
from tests.chaos.controls import CONTROLS, Control
from tests.chaos.fault import Chaos

EXAMPLE = """\
examples:
  python -m tests.chaos --minutes 2 --seed 7
  python -m tests.chaos --only F1 F4 --report kills.json
  python -m tests.chaos --control w1         one service that is broken on purpose
  python -m tests.chaos --control all        every one of them; exit code 0 if each is reported
"""
FULL_SECONDS, LONGEST_FULL_SECONDS, CONTROL_SECONDS = 3600.0, 5400.0, 120.0


def main() -> int:
    """Run what the arguments ask for; write the report, return the exit code."""
    options = _options()
    if options.control:
        names = list(CONTROLS) if "all" in options.control else options.control
        reports = [_run_control(CONTROLS[name], options.seed) for name in names]
        _write(options.report, reports)
        return 0 if all(report["control_is_reported"] for report in reports) else 1
    report = _run(_plan(options))
    _write(options.report, report)
    return 1 if report["broken"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Break things under a loaded service, and check what it promises.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--full", action="store_true", help="an hour with 100 kills")
    parser.add_argument("--short", action="store_true", help="one of each main fault")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows of the matrix once")
    parser.add_argument("--control", nargs="+", choices=[*CONTROLS, "all"], help="broken services")
    parser.add_argument("--seed", type=int, default=1, help="decides order and values")
    parser.add_argument("--report", type=Path, help="file for the JSON (default: output)")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    if options.full:
        return Plan(
            matrix.long_form, LONGEST_FULL_SECONDS, at_least=FULL_SECONDS, seed=options.seed
        )
    seconds = options.minutes * 60
    if options.short or options.only:
        faults = list(matrix.of_rows(*options.only) if options.only else matrix.short_form())
        return Plan(lambda _: faults, seconds, seed=options.seed)
    return Plan(matrix.endless, seconds, seed=options.seed)


def _run_control(control: Control, seed: int) -> Report:
    faults = list(matrix.of_rows(*control.faults))
    report = _run(Plan(lambda _: faults, CONTROL_SECONDS, seed=seed, control=control))
    verdict = "reported" if report["control_is_reported"] else "NOT REPORTED"
    sys.stderr.write(f"{control.name} ({control.why}): {control.breaks} {verdict}\n")
    return report


def _run(plan: Plan) -> Report:
    return asyncio.run(run(plan, _progress(plan)))


def _progress(plan: Plan) -> OnProgress:
    """Return what writes a line per fault to standard error."""
    begins: list[float] = []  # of the load; the set-up before takes seconds or a minute

    def write(what: str, chaos: Chaos) -> None:
        begins.append(time.monotonic())
        passed, client = int(begins[-1] - begins[0]), chaos.load.client
        refused = sum(n for status, n in client.statuses.items() if status.startswith("503"))
        sys.stderr.write(
            f"{passed // 60:02}:{passed % 60:02} of {int(plan.seconds) // 60:02}:00  {what:<45} "
            f"acknowledged {chaos.load.log.counts.total():,}  refused {refused:,}  "
            f"broken {chaos.broken.counts.total():,}\n"
        )

    return write


def _write(path: Path | None, report: object) -> None:
    text = json.dumps(report, indent=2) + "\n"
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
