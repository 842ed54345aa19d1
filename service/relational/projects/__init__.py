"""Projects, their members and invitations · PostgreSQL.

What people do together. Protects: a project always has an owner, whatever happens at the same
moment; nobody gives or takes a role above their own; who is no member does not learn that there is
a project. What each role may do is the one table of ``rights``; the repositories ask it.
"""
