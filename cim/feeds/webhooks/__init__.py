"""Who is told of alarms over HTTP: addresses, signatures, deliveries, and those that failed."""
