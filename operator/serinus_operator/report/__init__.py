"""What is told to the user: the status, Kubernetes Events, and the operator's own metrics and logs."""
