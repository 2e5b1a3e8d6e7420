"""The MLflow server of the project, and URLs of databases."""
