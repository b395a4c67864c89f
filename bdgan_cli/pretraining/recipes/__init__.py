"""Configs of the paper's downstream runs (supplement D.2) as texts, a folder for each tool; ``@NAME@`` is filled in."""
