"""Log predictions: one, a batch or a stream.

Protects: an event is acknowledged when it is durable, and a retry is a duplicate or a conflict.
"""
