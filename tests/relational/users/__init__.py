"""Users, and what lists and writes of all PostgreSQL features are tried on."""
