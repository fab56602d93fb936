"""SensorThings API 1.1 over the city: its objects and devices as Things, and what clients add."""
