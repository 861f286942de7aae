"""Texts made of like lines, rows, objects or sections, read into a list of dicts.

Standard library only; runs in the confined process. `namespace` is what the toolbox uses.
"""
