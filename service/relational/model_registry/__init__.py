"""Registered models: names under which versions of a model are published, with aliases and stages.

Protects: the numbers of a model's versions count from 1, and none is given twice. A model of a
project is seen by the project's members alone. The name of a registered model is the ``model`` of
prediction events, whose ``version`` is the number of a version or one of its aliases.
"""
