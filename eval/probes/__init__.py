"""What probes share: one runner with durable rows, one builder of commands, one report and its page."""
