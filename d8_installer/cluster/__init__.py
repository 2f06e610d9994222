"""Reads a cluster: kubeconfigs, who their user is, and the API. It sends nothing itself: a transport is passed in."""
