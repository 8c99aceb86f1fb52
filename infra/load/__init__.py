"""`hft load`: orders at a rate that does not wait for their answers, and how long the answers took."""
