"""The log as it happens, as server-sent events over a change stream."""
