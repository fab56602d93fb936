"""The public collections: what each holds, and every statement about their features."""
