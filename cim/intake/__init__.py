"""Files brought into the city: the same road for the command line and for the service."""
