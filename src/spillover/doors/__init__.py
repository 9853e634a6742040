"""How others reach us: each door is one way in, and loads what it needs when it is opened."""
