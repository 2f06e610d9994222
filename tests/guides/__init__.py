"""The how-to guides: each page's commands are typed in an empty HOME, and print what the page shows."""
