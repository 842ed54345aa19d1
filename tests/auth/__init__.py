"""The caller and the access rules of routes."""
