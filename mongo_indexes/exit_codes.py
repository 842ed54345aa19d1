"""The exit codes of the commands. Scripts depend on these numbers."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The result of a command. Typer also ends with 2 if an option is misspelt."""

    CLEAN = 0
    DRIFT = 2
    REFUSED = 3
    LOCKED = 4
    FAILED = 5
    AHEAD = 6
