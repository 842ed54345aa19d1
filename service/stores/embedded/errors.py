"""What can go wrong with the embedded engines, said so that a person can act on it."""


class EmbeddedError(Exception):
    """The embedded engines cannot be used; the message says what happened and what to do."""


class PlatformUnsupported(EmbeddedError):
    """There are no engine binaries for this machine, or none are installed."""


class DataFolderInUse(EmbeddedError):
    """Another process is running the engines of this data folder."""


class EngineFailed(EmbeddedError):
    """An engine did not start, or did not stay up; the message ends with its last log lines."""
