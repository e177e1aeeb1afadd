"""What the browser draws by itself."""
