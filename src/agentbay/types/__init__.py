"""Results and options: values without behaviour, shared by both colours."""
