"""What `taskyard demo` runs: six sample tasks that do real work, a process, their data, and the show around them.

`samples` registers the tasks, `workspace` lays out the folder they work in, `plan` says what the demo starts,
`show` follows it in the terminal. The other modules are the work itself: plain functions that know no Taskyard.
"""
