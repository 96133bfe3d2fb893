"""Running the questions: plan, rows, logs, hosts and Ray."""
