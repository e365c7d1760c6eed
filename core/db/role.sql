-- Run once by a superuser, with psql: the product's own role, no superuser, and the database that belongs to it.
-- Its password is read from the file that the product's processes read.
\set password `cat "$SETTLE_SECRETS_DIR/settle_database_password"`
CREATE ROLE settle LOGIN PASSWORD :'password';
CREATE DATABASE settle OWNER settle;
