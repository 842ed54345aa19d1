"""Items and their types · MongoDB.

Documents of any shape with a few fixed fields. Protects: input is a value and never an operator or
a path; an item of a type with a JSON Schema matches that schema; concurrent changes never mix.
"""
