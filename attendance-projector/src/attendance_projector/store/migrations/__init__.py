"""Migrations of the read model: alembic revisions whose statements are `.sql` files beside them."""
