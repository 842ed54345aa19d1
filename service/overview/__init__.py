"""Answers that need both stores, such as the models that are registered and those that serve.

Protects: each store is asked with its own deadline. If one is down, the answer has the part of the
other, and shows that.
"""
