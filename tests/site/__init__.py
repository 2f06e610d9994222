"""The documentation site as a reader sees it: in headless Chromium, wide and narrow, light and dark."""
