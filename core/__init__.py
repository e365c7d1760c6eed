"""The product. Whatever process imports it, its time zones come from the newest database."""

from core.zone_database import in_use

in_use()
