"""The audit trail · PostgreSQL.

What was done that matters for security: who logged in and who failed to, which keys were made, used
for the first time and revoked, whose role was changed. Protects: an entry stands in the transaction
of what it tells of, and no address changes or removes one.
"""
