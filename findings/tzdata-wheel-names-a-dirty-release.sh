#!/usr/bin/env bash
# tzdata 2026.2: the wheel gives two names for its release: IANA_VERSION is 2026b, and tzdata.zi says 2026b-dirty.
#
# Expected: both are 2026b.
# Seen: the first line of tzdata.zi is "# version 2026b-dirty". tzdata 2026.6 says 2026f in both places.
# It matters to a program that compares the wheel with the system's database by that line. If the program expects a year
# and a letter, it finds no version at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
seen=""
for version in 2026.2 2026.6; do
    python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/$version" "tzdata==$version" 2>/dev/null
    iana=$(PYTHONPATH="$folder/$version" python3 -c 'import tzdata; print(tzdata.IANA_VERSION)')
    seen="$seen$version: $iana, $(head -n 1 "$folder/$version/tzdata/zoneinfo/tzdata.zi"); "
done
echo "tzdata $seen"
test "$seen" = "2026.2: 2026b, # version 2026b-dirty; 2026.6: 2026f, # version 2026f; "
