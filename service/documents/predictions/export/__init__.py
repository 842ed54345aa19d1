"""The log as NDJSON, CSV or Parquet, read page by page."""
