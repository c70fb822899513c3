"""The MLflow run of a job: what its driver and its scripts log, written by a process of its own."""
