"""From a request to a job, and to exactly one completion: who may ask for what, how often, how late."""
