"""Who is calling, as far as every feature may ask. Knows no store.

``caller.py`` is the answer and what an endpoint needs, ``roles.py`` the one table of what each role
may do, ``passwords.py`` how passwords are kept, ``tokens.py`` how access tokens are signed,
``rates.py`` how often one may ask, and ``known.py`` what was verified lately. Protects the
processor: passwords are hashed in threads of low priority, few at a time.
"""
