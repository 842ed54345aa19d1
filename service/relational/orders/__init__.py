"""Orders · PostgreSQL.

Purchases at the prices of the moment. Protects: no order takes more than is in stock, however many
are placed at once; a total is exact; each transition happens once and in its order; a cancelled
order returns its quantities to the stock.
"""
