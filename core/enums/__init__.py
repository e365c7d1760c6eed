"""The values that tables, pages and commands share. A command reads them without loading SQLAlchemy."""
