"""Webhooks: what is committed is planned for those who subscribed, and sent until they have taken it."""
