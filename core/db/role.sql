-- A superuser runs this once with psql. It creates the product's role, which is not a superuser, and its database.
-- The password comes from the secret file that the product's processes read.
\set password `cat "$SETTLE_SECRETS_DIR/settle_database_password"`
CREATE ROLE settle LOGIN PASSWORD :'password';
CREATE DATABASE settle OWNER settle;
