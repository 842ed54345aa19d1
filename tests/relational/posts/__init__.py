"""Posts, their comments, and what they are filed under."""
