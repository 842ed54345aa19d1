"""The audit trail · PostgreSQL.

Security-relevant actions: logins, failed logins, keys created, first used and revoked, and changes
of roles. Protects: an entry is in the transaction of its action; no route changes or removes
it. The erasure of a user takes the person out of their entries.
"""
