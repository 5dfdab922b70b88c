-- The image runs this once, on an empty volume, as the superuser: MLflow's role owns two databases and nothing else.
\set ON_ERROR_STOP on
\getenv password MLFLOW_DATABASE_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
REVOKE ALL ON DATABASE mlflow, mlflow_auth FROM PUBLIC;
