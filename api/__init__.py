"""The spatial API and the viewer's home."""
