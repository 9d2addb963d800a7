"""Networks that follow an elimination."""
