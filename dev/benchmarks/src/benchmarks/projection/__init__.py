"""Live projection and rebuild, beside what PostgreSQL itself takes."""
