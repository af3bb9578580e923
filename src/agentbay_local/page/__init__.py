"""What people look at: the page of each session, and the front page that lists them."""
