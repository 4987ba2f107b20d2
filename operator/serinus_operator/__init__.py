"""The control loop: observe, decide, render, apply, report."""
