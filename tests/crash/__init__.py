"""What a process leaves that is killed in the middle."""
