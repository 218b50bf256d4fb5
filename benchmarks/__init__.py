"""One program per claim: each prints both sides, their ratio, the goal, and whether it was met."""
