"""The pipeline killed at random moments: does the next run put everything right?"""
