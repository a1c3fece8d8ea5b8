"""What happens to a continuous load when processes and databases die, freeze or go away."""
