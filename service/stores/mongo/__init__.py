"""MongoDB: client, lists, change streams and the translation of its errors.

Protects: a write is acknowledged by a majority and in its journal.
"""
