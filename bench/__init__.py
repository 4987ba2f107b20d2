"""Figures, reported and never asserted: `python -m bench [operator|runtime|local|gateway|all]` (`make bench`).

Every line that compares is a ratio of two programs that took turns in one run on one machine; `docs/figures.md` says
what each line means. Nothing here is imported by the operator or the runtime.
"""
