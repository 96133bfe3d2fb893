"""A training set from a person's own documents, of which no question and no passage is one that is evaluated on."""
