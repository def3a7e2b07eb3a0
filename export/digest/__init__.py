"""The email team's files: recipients' lists from one snapshot, formats of senders, and the mail as it will look."""
