"""API keys · PostgreSQL.

Services call with ``pk_<id>_<secret>``, with scopes, optional models and an expiry. Protects: the
secret is shown once and only its hash is stored; a key never exceeds its user, who may lose a role
later; a rotated secret stays valid for the rotation's ``overlap_seconds``.
"""
