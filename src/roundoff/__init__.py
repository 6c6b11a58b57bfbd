"""roundoff: which precision do I ship?"""
