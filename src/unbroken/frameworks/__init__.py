"""One module for each framework, named after it: its middleware, and what of its own ways the trace has to follow."""
