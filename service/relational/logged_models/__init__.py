"""Logged models, and the datasets and models that runs read and make, as MLflow's clients log them.

Protects: a dataset is its name and digest within an experiment, and is stored once. A point that
names a model is stored with the run and with the model, or with neither.
"""
