"""T2: runs the analysers of every channel on its states."""
