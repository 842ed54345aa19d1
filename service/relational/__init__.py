"""Features kept in PostgreSQL, one package each."""
