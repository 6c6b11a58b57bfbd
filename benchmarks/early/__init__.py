"""Stopping early: how often it errs, and what it saves."""
