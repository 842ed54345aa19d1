"""Errors, deadlines, logging, metrics and signing: no FastAPI and no database."""
