"""Catalog: categories and products · PostgreSQL.

A tree of categories, and what is sold with its price and stock. Protects: the tree has no circle
however many move it at once; a price is exact; stock never falls below 0, and every change of it is
a movement with a reason.
"""
