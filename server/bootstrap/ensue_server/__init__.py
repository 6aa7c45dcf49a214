"""The Ensue server as it is installed. `entry` is where its commands come in."""
