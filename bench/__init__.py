"""How fast Taskyard is on this machine: `make bench`. Ratios in one run count, absolute times do not."""
