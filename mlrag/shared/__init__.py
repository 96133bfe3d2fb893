"""What the replicas of a service share beside the documents, in PostgreSQL: keys, limits, answers, notices, budgets."""
