"""What one answer, or a set of answers, is worth."""
