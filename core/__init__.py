"""The product. Any process that imports it uses the newest time zone database."""

from core.zone_database import current_database

current_database()
