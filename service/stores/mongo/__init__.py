"""MongoDB: client, context, base repository, lists, change streams and translation of errors.

Protects: a write is acknowledged by a majority of the replica set and journaled.
"""
