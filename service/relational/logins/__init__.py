"""Logins · PostgreSQL.

A login is a chain of refresh tokens, each valid once, and their access tokens. Protects: only
hashes are stored; a second use of a refresh token ends the whole login; a change of the password or
of the user ends all of them; no password is hashed while a connection is in use.
"""
