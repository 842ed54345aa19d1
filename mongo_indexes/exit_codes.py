"""How a run ended, as the exit code of the process. Scripts depend on these numbers."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands end with. (A misspelt option also ends with 2, as typer does it.)"""

    CLEAN = 0
    DRIFT = 2
    REFUSED = 3
    LOCKED = 4
    FAILED = 5
