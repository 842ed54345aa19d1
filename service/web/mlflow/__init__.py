"""MLflow's addresses: how their requests are read, and what their errors look like.

Both stores have such addresses: tracking and registry in PostgreSQL, artifacts in MongoDB. They
differ from ours because MLflow's clients cannot be changed: unknown fields and parameters are
ignored, every success is 200, most refusals are 400, and clients decide by ``error_code``.
Source: the definition files of MLflow 3.17, and its clients 2.22 and 3.17 on the wire.
"""
