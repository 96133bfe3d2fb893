"""When not to answer: features and their calibration."""
