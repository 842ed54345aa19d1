"""A free port on 127.0.0.1 for an engine, the same as last time where possible."""

import random
import socket

from service.stores.embedded.errors import EngineFailed

# Below the range of outgoing connections of Linux and macOS (32768 and 49152 up). While an engine
# is down, a client that retries a port of that range can be given this port as its own. It would
# then connect to itself and block the engine's restart.
_MIN_PORT, _MAX_PORT = 20_000, 32_000
_TRIES = 200


def choose_port(preferred: int | None) -> int:
    """Return ``preferred`` if it is free on 127.0.0.1, otherwise another free port.

    Raises:
        EngineFailed: no port is free.
    """
    if preferred is not None and _is_free(preferred):
        return preferred
    for _ in range(_TRIES):
        port = random.SystemRandom().randint(_MIN_PORT, _MAX_PORT)
        if _is_free(port):
            return port
    raise EngineFailed(f"There is no free port between {_MIN_PORT} and {_MAX_PORT} on 127.0.0.1.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Like the engines, because closed connections of the last run would change the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
