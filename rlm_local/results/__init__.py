"""Replies of the worker kept on disk, so that the same prompt is not answered twice."""
