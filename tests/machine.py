"""How busy the machine was, for tests that measure how soon something is done."""

from pathlib import Path


def seconds_unserved() -> float:
    """How long this thread has waited for a processor so far, as Linux counts it; elsewhere 0.

    What is late by so much is late because of what else ran, and not because a loop was held up.
    """
    try:
        _, waited, _ = Path("/proc/thread-self/schedstat").read_text("ascii").split()
    except FileNotFoundError:
        return 0.0
    return int(waited) / 1e9
