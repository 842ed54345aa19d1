"""Orders · PostgreSQL.

What somebody bought, at the prices of that moment. Protects: nothing is sold that is not in stock,
however many buy it at once; a total is exact; a step is taken once and in its order; a cancelled
order gives back what it took.
"""
