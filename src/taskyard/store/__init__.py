"""Where tasks are kept safe: one contract (`taskyard.contracts.store`), two implementations."""
