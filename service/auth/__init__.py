"""Authentication and authorization, without a store.

``caller.py`` has the caller and the access rule of a route, ``roles.py`` the one table of scopes by
role, ``passwords.py`` the hashes, ``access_tokens.py`` the signatures, ``rate_limits.py`` the
limits, and ``credential_cache.py`` the verified credentials. Protects the processor: passwords are
hashed in threads of low priority, few at a time.
"""
