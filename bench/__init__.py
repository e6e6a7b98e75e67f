"""The measurements against peers: `python -m bench`.

Every contender runs in its own environment, in fresh processes that take turns (A B B A ...), against one embedded
broker. Times are CPU times of the main thread, so a busy machine disturbs them little; what is compared are medians of
one run.
"""
