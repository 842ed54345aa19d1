"""Negative controls: a service, a store or a client that breaks a promise on purpose.

Each must be reported by the checker, else the checker proves nothing.
"""

from typing import NamedTuple

from tests.fixtures.stores import PATIENCE


class Control(NamedTuple):
    """One thing that is wrong, the faults that show it, and the promise that they break."""

    name: str
    why: str
    faults: tuple[str, ...]
    breaks: str
    patch: bool = False  # broken_service.py has a function with this name
    environment: dict[str, str] = {}
    postgres: dict[str, str] = {}
    mongo: dict[str, str] = {}
    without_keys: bool = False  # clients send no Idempotency-Key
    kills_for_sigterm: bool = False
    flood_bytes: int = 100_000_000  # of each of 50 bodies


NO_DEADLINES = {
    f"POLYSTORE_{name.upper()}": str(value)
    for name, value in PATIENCE.items()
    if name.endswith("_seconds")
}

CONTROLS = {
    control.name: control
    for control in (
        Control(
            "w1",
            "MongoDB acknowledges before its journal is written",
            ("F4", "F4", "F4"),
            "lost",
            patch=True,
            mongo={"--journalCommitInterval": "500"},
        ),
        Control(
            "synchronous_commit_off",
            "PostgreSQL acknowledges before its log is written",
            ("F1", "F1"),
            "lost",
            postgres={"synchronous_commit": "off", "wal_writer_delay": "10s"},
        ),
        Control(
            "acknowledged_before_write",
            "the service acknowledges events that wait for their insert",
            ("F8", "F16", "F16"),
            "lost",
            patch=True,
        ),
        Control(
            "no_idempotency_key",
            "clients repeat requests without a key",
            ("F10", "F11"),
            "twice",
            without_keys=True,
        ),
        Control(
            "key_of_one_request",
            "20 requests at once have no common key",
            ("F15",),
            "same_key",
            without_keys=True,
        ),
        Control(
            "unordered_locks",
            "a transfer locks its accounts in the order of the request",
            ("F13",),
            "deadlock",
            patch=True,
        ),
        Control(
            "read_check_write",
            "an order reads the stock, checks it and writes it without a lock",
            ("F14",),
            "oversold",
            patch=True,
        ),
        Control(
            "no_deadlines",
            "the service waits for a hung store as long as it takes",
            ("F7", "F8", "F12"),
            "late",
            environment=NO_DEADLINES,
        ),
        Control(
            "leaked_slots",
            "a failed call keeps its slot for a connection",
            ("F8",),
            "rest",
            patch=True,
        ),
        Control(
            "killed_for_sigterm",
            "the service ends at once instead of in order",
            ("F17",),
            "in_flight",
            kills_for_sigterm=True,
        ),
        Control(
            "no_body_limit",
            "the service reads bodies of any size",
            ("F27",),
            "memory",
            environment={"POLYSTORE_MAX_BODY_BYTES": "1000000000"},
            flood_bytes=4_000_000,
        ),
    )
}
