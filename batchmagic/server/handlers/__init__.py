"""What each route does, one file per subject; each handler calls the sdk off the event loop and nothing more."""
