"""The command `serinus`: local mode for people and scripts. `app.py` is the way in and imports the rest on demand."""
