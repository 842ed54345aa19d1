"""Items and their types · MongoDB.

Documents of any shape with a few fixed fields. Protects: what a client sends is a value and never
an operator or a path; an item of a type with a JSON Schema fits that schema; two changes at once
never mix.
"""
