"""Commands that measure the speed of ticks, pictures and rays."""
