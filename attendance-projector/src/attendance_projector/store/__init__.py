"""The database itself: connections, the statements in `sql/`, the migrations, what its errors mean."""
