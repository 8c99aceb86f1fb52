"""`hft doctor`: what of this machine and of its settings stands in the way, and the command that would mend it."""
