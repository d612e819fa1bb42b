"""What each step of the method does: one file each."""
