"""Experiments: a name under which runs are kept, with its tags.

Protects: an experiment of a project is seen by the project's members alone; every query of runs,
logged models and artifacts passes through ``visibility.py``.
"""
