-- Six services, six schemas, six roles: each owns its schema and sees no other. Run by a superuser, as often as one likes:
--   psql --dbname postgres --set ON_ERROR_STOP=1 --file databases.sql
-- The passwords come from the environment, so that they are neither on a command line nor in this file.

\getenv ingestion_password VIGIL_INGESTION_PASSWORD
\getenv features_password VIGIL_FEATURES_PASSWORD
\getenv models_password VIGIL_MODELS_PASSWORD
\getenv auth_password VIGIL_AUTH_PASSWORD
\getenv tiles_password VIGIL_TILES_PASSWORD
\getenv notifications_password VIGIL_NOTIFICATIONS_PASSWORD

SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_error_statement = 'panic';

SELECT 'CREATE DATABASE vigil' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'vigil') \gexec

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['ingestion', 'features', 'models', 'auth', 'tiles', 'notifications']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE ingestion PASSWORD :'ingestion_password';
ALTER ROLE features PASSWORD :'features_password';
ALTER ROLE models PASSWORD :'models_password';
ALTER ROLE auth PASSWORD :'auth_password';
ALTER ROLE tiles PASSWORD :'tiles_password';
ALTER ROLE notifications PASSWORD :'notifications_password';

-- The details of an error hold what was in the row: a payment that is sent again would leave its name in the server's log. And payments that
-- are sent again by the thousand would leave a statement for each batch there; of a failure each service's own log has it.
SELECT format('ALTER ROLE %I SET %s', name, setting)
FROM unnest(ARRAY['ingestion', 'features', 'models', 'auth', 'tiles', 'notifications']) AS name,
    unnest(ARRAY['log_error_verbosity = terse', 'log_min_error_statement = panic']) AS setting \gexec

-- Nobody is let in by default.
REVOKE ALL ON DATABASE vigil FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE vigil TO ingestion, features, models, auth, tiles, notifications;

\connect vigil
SET client_min_messages = warning;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS ingestion AUTHORIZATION ingestion;
CREATE SCHEMA IF NOT EXISTS features AUTHORIZATION features;
CREATE SCHEMA IF NOT EXISTS models AUTHORIZATION models;
CREATE SCHEMA IF NOT EXISTS auth AUTHORIZATION auth;
CREATE SCHEMA IF NOT EXISTS tiles AUTHORIZATION tiles;
CREATE SCHEMA IF NOT EXISTS notifications AUTHORIZATION notifications;

ALTER ROLE ingestion IN DATABASE vigil SET search_path = ingestion;
ALTER ROLE features IN DATABASE vigil SET search_path = features;
ALTER ROLE models IN DATABASE vigil SET search_path = models;
ALTER ROLE auth IN DATABASE vigil SET search_path = auth;
ALTER ROLE tiles IN DATABASE vigil SET search_path = tiles;
ALTER ROLE notifications IN DATABASE vigil SET search_path = notifications;
