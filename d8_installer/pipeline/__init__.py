"""The one road that every verb takes: from requirements to an activated generation. Nothing here prints."""
