"""How the shipped calibrations are made."""
