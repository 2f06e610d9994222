"""What happens when the operating system says no: a fault at every call that ``store/fs.py`` makes."""
