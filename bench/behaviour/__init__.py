"""What each contender does where traces break: `python -m bench.behaviour` writes `bench/behaviour.json`.

Each cell is one process in the environment of its contender: it reads records that an uninstrumented producer wrote to
the embedded broker, in the way the contender's documentation says, and reports what it saw. Nothing is timed.
"""
