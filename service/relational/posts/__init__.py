"""Posts and their comments · PostgreSQL.

Protects: a slug belongs to one post; a published post has a date; the author and the tags of a post
exist. A page costs one statement, and one more for its tags, however many posts it has.
"""
