"""A free port on 127.0.0.1 for an engine, the same as last time where possible."""

import random
import socket

from service.stores.embedded.errors import EngineFailed

# Below the range from which Linux and macOS number outgoing connections (32768 and 49152 up): while
# an engine is down, a client that keeps trying a port of that range can be given the very port as
# its own, connect to itself, and then block the engine's return.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 200


def choose_port(preferred: int | None) -> int:
    """Return ``preferred`` if nothing uses it on 127.0.0.1, otherwise another free port."""
    if preferred is not None and _is_free(preferred):
        return preferred
    for _ in range(_TRIES):
        port = random.SystemRandom().randint(_LOWEST, _HIGHEST)
        if _is_free(port):
            return port
    raise EngineFailed(f"There is no free port between {_LOWEST} and {_HIGHEST} on 127.0.0.1.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the engines do; otherwise closed connections of the last run would change the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
