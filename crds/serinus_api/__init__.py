"""The contract: what users write, and what the operator and the runtime agree on. Imports nothing of ours."""
