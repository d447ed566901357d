"""Wrong programs and the messages about them. `python -m tests.errors` prints them."""
