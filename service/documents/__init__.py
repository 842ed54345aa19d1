"""Features stored in MongoDB, one package each."""
