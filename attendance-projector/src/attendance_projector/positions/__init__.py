"""Where the projector stands in the log: what it lacks, and how an operator accepts that."""
