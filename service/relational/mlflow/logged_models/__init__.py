"""MLflow's addresses of logged models, datasets, and the inputs and outputs of runs."""
