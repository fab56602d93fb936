"""What the API answers: pydantic models, from which the viewer's types are generated."""
