"""The index manager: to MongoDB what Alembic is to SQL.

`collections/` declares what each collection needs: its indexes, each with its why, and its
validator. The tool compares that with what the server has (`plan.py`, no I/O), carries out the
difference under a lease lock (`apply.py`, `lock.py`) and lists what is left (`check`).

Protects: the data. An index that is not declared is reported and kept. A new index is built before
an old one is dropped, wherever MongoDB allows it. A unique index over duplicates is refused by name
with an example. If a collection cannot become what is declared, such as a view, no step is done on
any (`refusals.py`). Needs MongoDB 6.0 or newer.

Start with `python -m mongo_indexes plan --url mongodb://…/polystore`, or read `declare.py` for the
words, `plan.py` for the rules and `collections/` for what is declared.
"""
