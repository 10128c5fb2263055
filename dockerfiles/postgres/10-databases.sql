-- Run once, when the folder of the data is empty: a database for each program, and a role that owns no more than that.
\set ON_ERROR_STOP on
\set airflow_password `cat /run/secrets/airflow_db_password`
\set mlflow_password `cat /run/secrets/mlflow_db_password`
\set servicio_ml_password `cat /run/secrets/servicio_ml_db_password`
\set exporter_password `cat /run/secrets/pg_exporter_password`

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE servicio_ml LOGIN PASSWORD :'servicio_ml_password';
-- reads statistics, no table
CREATE ROLE exporter LOGIN PASSWORD :'exporter_password' CONNECTION LIMIT 5;
GRANT pg_monitor TO exporter;

CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow_db OWNER mlflow;
CREATE DATABASE servicio_ml OWNER servicio_ml;

-- who is not named here gets in nowhere
REVOKE ALL ON DATABASE airflow, mlflow_db, servicio_ml, postgres, template1 FROM PUBLIC;
-- the last step: the service is healthy once it is done
GRANT CONNECT ON DATABASE postgres TO exporter;
