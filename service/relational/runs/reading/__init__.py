"""Reading runs: searches, histories of metrics, comparisons and files.

Protects: every statement passes through the visibility of experiments; a page has finished JSON,
written by PostgreSQL, so that no object is made for each value.
"""
