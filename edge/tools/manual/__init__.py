"""The manual pages and the shells' completion, generated from the program's own arguments. For developers.

``python -m edge.tools.manual docs`` writes them anew; a test holds what is committed against what is generated.
"""
