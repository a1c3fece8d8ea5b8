"""What runs inside a jail, before and around the code that is not ours. Standard library only, any Python from 3.9."""
