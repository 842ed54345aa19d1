"""Tags · PostgreSQL.

Keywords of posts. Protects: a name belongs to one tag, whatever the case.
"""
