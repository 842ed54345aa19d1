"""The report of a run, as an object that becomes JSON."""

from collections import Counter
from typing import Any

from tests.chaos.client import percentile
from tests.chaos.controls import Control
from tests.chaos.fault import RESTART_SECONDS, Chaos
from tests.chaos.matrix import SKIPPED

MOST_LOGGED = 20


def write_report(
    seed: int,
    control: Control | None,
    seconds: float,
    chaos: Chaos,
    faults: list[dict[str, Any]],
    counts: dict[str, dict[str, int]],
) -> dict[str, Any]:
    """Return the report: totals first, then kinds, faults and the rows that were skipped."""
    recoveries = {store: _recovery(waits) for store, waits in chaos.recoveries.items()}
    for store, figures in recoveries.items():
        late = f"{store} writes {figures['p95']} s after its restart, at the 95th percentile"
        chaos.require("recovery", figures["p95"] <= RESTART_SECONDS, late)
    client = chaos.load.client
    chaos.system.read_log()
    report = {
        "seed": seed,
        "control": control and control.name,
        "seconds": round(seconds, 1),
        "acknowledged": sum(count["acknowledged"] for count in counts.values()),
        **{
            promise: sum(count[promise] for count in counts.values())
            for promise in ("lost", "changed", "twice", "unsent")
        },
        "runs": dict(Counter(fault["row"] for fault in faults)),
        "unjudged": chaos.unjudged,
        "recovery_seconds": recoveries,
        "statuses": dict(client.statuses.most_common()),
        "slowest_seconds": {
            route: round(slowest, 3)
            for route, slowest in sorted(client.slowest.items(), key=lambda one: -one[1])
        },
        "broken": chaos.broken.report(),
        "kinds": counts,
        "faults": faults,
        "skipped": SKIPPED,
        "logged": dict(chaos.system.logged.most_common(MOST_LOGGED)),
    }
    if control:
        report["control_is_reported"] = control.breaks in chaos.broken.counts
    return report


def _recovery(waits: list[float]) -> dict[str, float]:
    """Return figures of the waits from a restart to the first acknowledged write."""
    shares = {"p50": 0.5, "p95": 0.95}
    return {
        "times": len(waits),
        **{name: round(percentile(waits, share), 3) for name, share in shares.items()},
        "most": round(max(waits), 3),
    }
