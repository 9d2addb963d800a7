"""Graph Networks and other message passing."""
