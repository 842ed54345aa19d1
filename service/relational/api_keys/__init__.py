"""API keys · PostgreSQL.

What services call with: ``pk_<id>_<secret>``, scopes, perhaps models, an expiry. Protects: the
secret is shown once and only its hash is kept; no key reaches further than its user, who may lose a
role later; a rotated secret stays good for as long as it was told, and no longer.
"""
