"""The OpenAPI document as a whole: what FastAPI leaves out of it, and what generators need.

The routes declare what is theirs (``service.web.openapi``); this package adds what all share.
"""
