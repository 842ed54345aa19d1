"""What happens when a process is killed or hangs: real engines, a real service, real signals."""
