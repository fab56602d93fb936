"""What hangs on a unit or a building: facilities, devices, organisations, alarms, codes."""
