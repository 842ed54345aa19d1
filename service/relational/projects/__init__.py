"""Projects, their members and invitations · PostgreSQL.

Protects: a project always has an owner, also under concurrent changes; no member gives or takes a
role above their own; a project is 404 to everybody else. ``permissions.py`` is the one table of
what each role may do.
"""
