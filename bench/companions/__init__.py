"""What the companions for Java and Node cost beside their peers: `python -m bench.companions`.

The measured programs are `java/bench` (JMH) and `node/bench`. Processes of theirs take turns here, one contender in
each, and what they print becomes medians, quartiles and ratios.
"""
