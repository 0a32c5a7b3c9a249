"""What a machine and a server need for driving, looked at one by one."""
