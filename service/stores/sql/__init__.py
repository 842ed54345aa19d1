"""PostgreSQL: engine, session, lists, bulk statements and the translation of its errors.

Protects: the commit comes before the answer, and a retry never doubles an effect.
"""
