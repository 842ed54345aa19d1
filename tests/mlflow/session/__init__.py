"""A session of people's own MLflow client: every call that tracking and the registry offer.

``python -m tests.mlflow.session`` runs it against ``MLFLOW_TRACKING_URI`` and prints what each step
returned as JSON, normalised so that two runs of it agree. It imports nothing of ours but this
package, so that the interpreter needs ``mlflow-skinny`` alone, of version 2.22 or 3.
"""
