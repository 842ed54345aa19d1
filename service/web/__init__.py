"""The HTTP contract, the same for both stores: routes, problems, lists, bulk, streams.

It knows FastAPI and no database.
"""
