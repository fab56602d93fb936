"""Tilesets as answers: made when asked for, from folders, and from archives."""
