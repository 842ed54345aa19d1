"""Chaos: a real service under load on every feature, while stores, network and clients fail.

``python -m tests.chaos`` (``make chaos``) runs it for ten minutes and writes a report as JSON.

* ``system.py`` runs both engines, a proxy in front of each, and ``polystore serve`` on the proxies.
* ``load.py`` runs the clients of ``writers.py`` and ``readers.py``. They log what was acknowledged.
* ``faults_of_*.py`` break one thing each; ``matrix.py`` lists them, and the rows that are skipped.
* ``checker.py`` compares the log with both stores: nothing is lost, nothing is there twice.
* ``controls.py`` lists services that break a promise on purpose. The checker must report each.

A new fault is a function and an entry in the table at the end of its module; a new kind of write is
a function in ``writers.py`` and a line in ``stored.py``.
"""
