"""Logins · PostgreSQL.

A login is what a password opens: a chain of refresh tokens, each good once, and the access tokens
they give. Protects: only hashes are kept; a refresh token that comes a second time ends its whole
login; a change of password, or of the user, ends all of them; no password is hashed while a
connection is held.
"""
