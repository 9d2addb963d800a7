"""Time to a solution: problems, measurements, and what follows from them."""
