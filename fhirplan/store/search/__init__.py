"""Carries out searches on the database: shapes, SQL, paging, and what belongs to the matches."""
