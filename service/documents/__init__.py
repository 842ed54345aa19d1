"""Features kept in MongoDB, one package each."""
