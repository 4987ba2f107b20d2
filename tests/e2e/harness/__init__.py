"""What the stories stand on: kubectl, Helm, waiting, probing, the audit log, faults. Knows no single story."""
