"""Retention of predictions, per model and version · MongoDB.

Protects: a rule applies to every event logged a few seconds later, in every process; the more
specific rule wins; no sender can extend the retention of an event; requests for an expired
prediction say that it has expired, and sending it again does not restore it. The package stands
beside `predictions`, as `tags` beside `posts`: the log refers to the rules, and the rules to
nothing of the log. It needs nothing of PostgreSQL.
"""
