"""Nothing but the manifest beside this file: it is read as text, and this is never imported."""
