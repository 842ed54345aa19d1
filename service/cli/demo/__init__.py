"""``polystore demo``: sample traffic of a model, and records that go with it, over HTTP.

``traffic`` makes predictions and labels from ``penguins.csv``; ``records`` creates users, posts,
products, orders and items. Ids and values are the same in each run, so that a second run adds
nothing: a small proof of what the service promises.
"""

from service.cli.demo.command import demo

__all__ = ["demo"]
