"""What the stores of experiment trackers are made of: record files, databases, points one by one."""
