"""What there is to decide about notifications, without I/O: which words, for whom, where to, and when again."""
