"""The city: what it is, how it comes in, where it is kept, what can be asked of it."""

__version__ = "0.1.0"
