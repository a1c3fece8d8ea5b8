"""BPMN on its own: a process is a definition, each of its instances a task, and their steps are tasks of ours.

What leads to the next step is SpiffWorkflow's (the extra `taskyard[bpmn]`); it holds no data and evaluates nothing.
Variables belong to the instance; expressions over them are JMESPath, and scripts run in the sandbox as tasks.
"""
