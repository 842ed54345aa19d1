"""Read predictions: one by its id, and pages of the log."""
