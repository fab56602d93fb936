"""Rows by binary COPY, into tables and out of them, in columns and in batches."""
