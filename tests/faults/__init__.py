"""Killed and hanging processes: real engines, a real service, real signals."""
