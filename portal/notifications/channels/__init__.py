"""One folder per channel: how its messages are made and sent."""
