"""Who trades besides you: a simulated market, and recorded days played back as orders."""
