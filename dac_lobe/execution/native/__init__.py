"""The C++ kernel, and what makes weights ready for it.

Authors
 * The dac-lobe developers 2026
"""
