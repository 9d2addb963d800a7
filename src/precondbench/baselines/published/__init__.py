"""Published learned preconditioners, each in one file, from its description."""
