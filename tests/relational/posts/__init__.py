"""Posts, their comments and tags."""
