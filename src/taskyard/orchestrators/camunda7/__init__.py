"""Camunda 7 (and Operaton, CIB seven): its external and user tasks are done as tasks of ours, its processes started."""
