"""The rules a second time: slow, plain, and written from the page of rules instead of from the code.

It reads a scenario as the file has it and knows nothing of the package under test. Time is whole seconds
since 1970; every punch is compared with every shift of every date; local times are found by trying offsets.
"""
