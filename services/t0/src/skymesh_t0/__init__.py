"""T0: registers alerts and lets the filters of every channel judge them."""
