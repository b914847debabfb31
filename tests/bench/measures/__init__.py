"""The measurements of scripts/bench --speed: each takes the world and gives a flat table of numbers."""
