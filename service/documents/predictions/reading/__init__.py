"""Read predictions: one by its id, and pages of the log.

Protects: a key that is bound to models reads the predictions of these only.
"""
