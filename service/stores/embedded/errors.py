"""Errors of the embedded engines; each message names the remedy."""


class EmbeddedError(Exception):
    """The embedded engines cannot be used; the message names the cause and the remedy."""


class PlatformUnsupported(EmbeddedError):
    """No engine binaries are installed, or there are none for this machine."""


class DataFolderInUse(EmbeddedError):
    """Another process runs the engines of this data folder."""


class EngineFailed(EmbeddedError):
    """An engine did not start or did not stay up; the message ends with its last log lines."""
