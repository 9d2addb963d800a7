"""Methods that learn nothing and stand on every board."""
