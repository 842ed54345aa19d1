"""The prediction log · MongoDB.

What models answered, one immutable event each, and what turned out to be true. Protects: an
acknowledged event is durable and there once, however often it is sent; nothing is overwritten; an
event that is wrong never takes the rest of its batch with it. Needs nothing of PostgreSQL.
"""
