"""The index manager: its rules without a server, everything else on a real mongod."""
