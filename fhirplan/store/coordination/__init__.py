"""Shows the record to the coordination rules, and keeps what is derived by them and what people work on."""
