"""Every promise of the source documents, each as a test that cites it."""
