"""The steps that make a store of rooms and bring an older one up to date, run by Alembic."""
