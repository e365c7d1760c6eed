"""The product. Any process that imports it uses the newest time zone database."""

import gc

from core.zone_database import current_database

# Imports and long lists create many objects and few cycles. With Python's default of 700, collections took a tenth of
# a process's start.
gc.set_threshold(10_000, 10, 10)
current_database()
