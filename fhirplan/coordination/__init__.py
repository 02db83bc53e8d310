"""What the work's state is: due, overdue, blocked; pure, with the time as an argument."""
