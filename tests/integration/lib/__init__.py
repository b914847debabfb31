"""Real processes, a real RabbitMQ, and what the tests ask of them."""
