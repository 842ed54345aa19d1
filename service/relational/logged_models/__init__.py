"""A feature under construction."""
