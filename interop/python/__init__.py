"""The services and programs in Python, each started by `python -m`."""
