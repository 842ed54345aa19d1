"""Reports over all relational features · PostgreSQL, on the replica where there is one.

Sums over many rows, each from one snapshot that the server keeps read only. Protects: the primary
from long reads; the reader from a replica that is down, because the primary answers then.
"""
