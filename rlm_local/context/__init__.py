"""Files and texts made into one mapped UTF-8 file, described and searchable."""
