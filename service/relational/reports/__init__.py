"""Reports over all that lives in PostgreSQL · PostgreSQL, the replica where there is one.

Sums over many rows, each read from one snapshot that the server itself keeps read only. Protects:
the primary from long reads; who asks from a replica that is down, for then the primary answers.
"""
