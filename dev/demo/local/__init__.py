"""The demo in local mode: `serinus run` as a process of its own, used as a user would.

`command.py` is called by the command line, `story.py` has the chapters, `scene.py` what they have at hand, `serving.py`
the process, `leftovers.py` looks for what stayed behind.
"""
