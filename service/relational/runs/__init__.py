"""Runs of experiments: what was logged during a training, found again and compared.

Protects: a batch is stored whole or not at all; a repeated one changes nothing. The history of a
metric is a set of points, of which every row of ``run_metrics`` holds the latest and the totals.
"""
