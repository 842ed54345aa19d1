"""Export the log as NDJSON, CSV or Parquet, page by page.

Protects: an incomplete file is never taken for a complete one.
"""
