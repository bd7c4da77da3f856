"""Write notices, hold them, deliver them, delete them."""
