"""What all suites of one dimension share: asking with durable rows, options of the command, tables and a page."""
