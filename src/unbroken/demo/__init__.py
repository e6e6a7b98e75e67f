"""A broken and an unbroken trace: four small services, run the way most code is written, then with unbroken.

The services are one folder per client. `before` and `after` differ in the lines that the demo prints; the order service
is the same file for both, because producers do inject.
"""
