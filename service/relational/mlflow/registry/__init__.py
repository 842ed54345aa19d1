"""MLflow's addresses of registered models and their versions, over ``model_registry``."""
