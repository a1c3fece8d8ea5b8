"""What tests of and around Taskyard need."""
