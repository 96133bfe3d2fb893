"""What outlives a request: keys, rate limits, kept answers, jobs and budgets, local or in PostgreSQL."""
