"""Posts and their comments · PostgreSQL.

What users write. Protects: a slug belongs to one post; what is published has a date; an author and
a tag that a post names exist. Reading a page costs one statement, and one more where tags are
asked for, however many posts are on it.
"""
