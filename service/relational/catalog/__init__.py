"""Catalog: categories and products · PostgreSQL.

A tree of categories, and products with their price and stock. Protects: the tree has no cycle,
however many move it at once; a price is exact; stock never falls below 0, and every change of it is
a movement with a reason.
"""
