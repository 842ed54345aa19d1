"""How long predictions are kept, per model and version · MongoDB.

Protects: a rule holds for every event logged a few seconds later, in every process; the more
specific rule wins; no sender can have an event kept longer than its rule says; what has expired
is said to have expired, and never comes back by being sent again. Beside `predictions` and not in
it, as `tags` is beside `posts`: an operator's rules, with a list and versions of their own, which
the log names and which name nothing of the log. Needs nothing of PostgreSQL.
"""
