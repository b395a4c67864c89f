"""Class-conditional generators that publish their features."""
