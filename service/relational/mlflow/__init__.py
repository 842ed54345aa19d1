"""MLflow's tracking protocol, as its clients 2.22 to 3.17 speak it, over the features beside it.

Protects: clients that cannot be changed. Its addresses, shapes and errors are MLflow's; what is
stored, and who may see it, is decided by experiments, runs, logged_models and model_registry.
"""
