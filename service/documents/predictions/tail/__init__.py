"""Follow the log as server-sent events over a change stream.

Protects: a client that reconnects with its last id misses no event and receives none twice.
"""
