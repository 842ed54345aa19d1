"""Tags · PostgreSQL.

Words that posts are filed under. Protects: a name belongs to one tag, whatever the case.
"""
