-- A superuser runs this with psql, also on an existing installation. It creates the product's roles and its database.
-- None is a superuser. `settle` owns everything and only migrates and runs commands. The others own nothing, and
-- `settle migrate` grants their privileges. Web processes change to `settle_operations` for the Operations page and
-- metrics, so they must not inherit its privileges. The passwords come from the secret files of the processes.
\set ON_ERROR_STOP on
\set owner_password `cat "$SETTLE_SECRETS_DIR/settle_database_password"`
\set web_password `cat "$SETTLE_SECRETS_DIR/settle_web_database_password"`
\set worker_password `cat "$SETTLE_SECRETS_DIR/settle_worker_database_password"`
SELECT '' NOT IN (:'owner_password', :'web_password', :'worker_password') AS has_passwords \gset
\if :has_passwords
\else
DO $$ BEGIN RAISE 'a password file in SETTLE_SECRETS_DIR is missing or empty'; END $$;
\endif
SELECT format('CREATE ROLE %I LOGIN', role) FROM unnest('{settle,settle_web,settle_worker}'::text[]) role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
SELECT 'CREATE ROLE settle_operations' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'settle_operations') \gexec
ALTER ROLE settle_web NOINHERIT;
GRANT settle_operations TO settle_web;
ALTER ROLE settle PASSWORD :'owner_password';
ALTER ROLE settle_web PASSWORD :'web_password';
ALTER ROLE settle_worker PASSWORD :'worker_password';
SELECT 'CREATE DATABASE settle OWNER settle' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'settle') \gexec
